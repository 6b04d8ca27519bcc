package consumers

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// publish stores an event, waiting for room while the store is full: an attempt
// that failed for that would be one of few, and the dead letter that follows
// the last of them has no room either. The event that is being handled stays
// with its handler, and those behind it in their stream.
func publish(ctx context.Context, bus *streams.Bus, log *slog.Logger, e event.Envelope, opts ...streams.PublishOption) (streams.Ack, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 5*time.Second
	for waited := false; ; waited = true {
		ack, err := bus.Publish(ctx, e, opts...)
		if !errors.Is(err, streams.ErrFull) {
			if waited && err == nil {
				log.InfoContext(ctx, "there is room again", "subject", e.Subject, "event", ack.Ref.String())
			}
			return ack, err
		}
		if !waited {
			log.ErrorContext(ctx, "nothing can be published; this waits for room", "subject", e.Subject, "error", err)
		}
		timer := time.NewTimer(wait.NextBackOff())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return streams.Ack{}, err
		}
	}
}
