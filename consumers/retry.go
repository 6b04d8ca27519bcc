package consumers

import (
	"context"
	"errors"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// ErrStopping is returned by a handler that leaves its event to the next process.
var ErrStopping = errors.New("the process is stopping")

var errCrashed = errors.New("crashed on last attempt")

// Retry has a failed attempt repeated after the backoff. It passes on Permanent
// errors and that of the last attempt.
func Retry(c Config) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			if d.Attempt > c.Attempts {
				return nil, Permanent(errCrashed)
			}
			started := time.Now()
			out, err := next(ctx, d)
			deliveryOf(ctx).Took = time.Since(started)
			if err == nil || isPermanent(err) || d.Attempt == c.Attempts {
				return out, err
			}
			if errors.Is(err, ErrStopping) {
				return nil, &retryError{err, 0}
			}
			delay := c.delay(d.Attempt)
			c.Logger.WarnContext(ctx, "handler failed, retrying", "subject", d.Subject, "event", d.Ref.String(),
				"attempt", d.Attempt, "of", c.Attempts, "after", delay, "error_code", event.AsError(err, event.PluginError).Code, "error", event.Loggable(err))
			return nil, &retryError{err, delay}
		}
	}
}

// A permanent error is one that no further attempt can mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks an error that no retry can mend: the event is dead-lettered at
// once. It returns nil if err is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

func isPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	return ok
}
