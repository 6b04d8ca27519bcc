package consumers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Heartbeat extends a delivery's ack deadline while it is handled, so that the server
// does not redeliver the event meanwhile.
func Heartbeat(every time.Duration, log *slog.Logger) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			msg := deliveryOf(ctx).msg
			var mu sync.Mutex // held while extending, so that nothing follows the settlement
			var timer *time.Timer
			mu.Lock()
			timer = time.AfterFunc(every, func() {
				mu.Lock()
				defer mu.Unlock()
				if timer == nil {
					return
				}
				if err := msg.InProgress(); err != nil {
					log.WarnContext(ctx, "heartbeat failed", "event", d.Ref.String(), "error", err)
				}
				timer.Reset(every)
			})
			mu.Unlock()
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				timer.Stop()
				timer = nil
			}()
			return next(ctx, d)
		}
	}
}
