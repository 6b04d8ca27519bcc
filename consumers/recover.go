package consumers

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// PanicError is the error that Recover makes of a panic.
type PanicError struct {
	Value any
	Stack string
}

// Error returns the value that the handler panicked with, as text.
func (e *PanicError) Error() string { return fmt.Sprintf("the handler panicked: %v", e.Value) }

// Recover turns a handler's panic into a PanicError, and shortens the text of errors so
// that a dead letter about them fits into a message.
func Recover() Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) (out []event.Envelope, err error) {
			defer func() {
				if v := recover(); v != nil {
					out, err = nil, &PanicError{Value: v, Stack: string(debug.Stack())}
				}
				if err != nil {
					err = shorten(err)
				}
			}()
			return next(ctx, d)
		}
	}
}

func shorten(err error) error {
	if short := event.Errorf(event.AsError(err, event.PluginError).Code, "%w", err); short.Message != err.Error() {
		return short
	}
	return err
}
