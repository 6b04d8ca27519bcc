package consumers

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// DefaultTimeout is the time limit of a command that names none.
const DefaultTimeout = 30 * time.Second

// A TimeoutError says that an attempt took longer than its time limit. Its code is TIMEOUT.
type TimeoutError struct {
	Limit time.Duration
	Cause error // what the handler returned after its context had ended
}

// Error returns the limit and what the handler returned.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("it took longer than %s: %v", e.Limit, e.Cause)
}

// Unwrap returns an error of code TIMEOUT, and the cause.
func (e *TimeoutError) Unwrap() []error {
	return []error{event.Errorf(event.Timeout, "it took longer than %s", e.Limit), e.Cause}
}

// Timeout ends the context of a handler that has run for its limit, of which 0 means none.
// The attempt then fails with a TimeoutError, unless the handler succeeds nevertheless. It
// ends when the handler returns and not before: a handler that ignores its context keeps
// those behind it waiting, which is logged.
func Timeout(limit func(ctx context.Context, d streams.Stored) time.Duration, log *slog.Logger) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			limit := limit(ctx, d)
			if limit <= 0 {
				return next(ctx, d)
			}
			running, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			stopWarning := context.AfterFunc(running, func() {
				log.WarnContext(ctx, "handler exceeded its time limit, context ended", "subject", d.Subject, "event", d.Ref.String(), "limit", limit)
			})
			out, err := next(running, d)
			late := running.Err() != nil // known before the warning, which may still be on its way
			stopWarning()
			if !late || err == nil || ctx.Err() != nil || isPermanent(err) {
				return out, err
			}
			return nil, &TimeoutError{Limit: limit, Cause: err}
		}
	}
}
