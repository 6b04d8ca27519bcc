package streams

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/rosey-bot/rosey/event"
)

// Patiently publishes or asks again what NATS, or the service that was asked,
// does not answer, for as long as d, and what the store has no room for until it
// has. It needs WithMsgID, by which a repeat is recognised, and changes nothing
// of a request with Within, whose caller has other plans.
func Patiently(d time.Duration) PublishOption {
	return func(s *publishSettings) { s.patience = d }
}

// patiently does what failed again, after 0.1 s and then ever more seldom, to
// every 2 s. ErrFull has no limit: nothing that could be done instead has room.
func (b *Bus) patiently(ctx context.Context, subject string, patience time.Duration, do func() error) error {
	if patience == 0 {
		return do()
	}
	var wait *backoff.ExponentialBackOff
	for started, again := time.Now(), false; ; again = true {
		err := do()
		full := isFull(err)
		if !full && (!Repeatable(err) || time.Since(started) >= patience || b.nc.IsClosed()) {
			if again && err == nil {
				b.log.InfoContext(ctx, "answered at last", "subject", subject, "source", b.Source(), "after", time.Since(started))
			}
			return err
		}
		if wait == nil {
			wait = backoff.NewExponentialBackOff()
			wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 2*time.Second
		}
		switch {
		case again:
		case full:
			b.log.ErrorContext(ctx, "nothing can be published; this waits for room", "subject", subject, "source", b.Source(), "error", err)
		default:
			b.log.WarnContext(ctx, "not answered, will try again", "subject", subject, "source", b.Source(), "error", err)
		}
		select {
		case <-time.After(wait.NextBackOff()):
		case <-ctx.Done():
			return err
		}
	}
}

// isFull reports whether an error is about the lack of room, be it the database's.
func isFull(err error) bool {
	var answer *event.Error
	return errors.Is(err, ErrFull) || errors.As(err, &answer) && answer.Details["reason"] == ReasonFull
}

// Repeatable reports whether what failed may do better a moment later: NATS did not
// answer or has no room, and nothing is wrong with what was published or asked.
func Repeatable(err error) bool {
	code := event.CodeOf(err)
	return code == event.Timeout || code == event.NATSError
}
