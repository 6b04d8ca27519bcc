// Package consumers turns stored events into work that is done once: durable
// pull consumers that acknowledge after success, retry with backoff, set aside
// what cannot be handled, and publish so that a redelivery repeats nothing.
package consumers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Handler handles one delivered event and returns what to publish because of
// it. The runner publishes and then acknowledges. A handler may be called again
// with the same event, when the process died before the acknowledgement: what
// it publishes then is recognised and dropped as long as it comes in the same
// order, so a handler should take time and randomness from the event and not
// from the machine.
type Handler func(ctx context.Context, d streams.Stored) ([]event.Envelope, error)

// Middleware wraps a Handler with one concern.
type Middleware func(Handler) Handler

// Chain wraps h so that the first middleware is the outermost.
func Chain(h Handler, ms ...Middleware) Handler {
	for i := len(ms) - 1; i >= 0; i-- {
		h = ms[i](h)
	}
	return h
}

// Publisher is what a handler publishes and requests through; see
// PublisherFrom. A dry run puts another one in the context.
type Publisher interface {
	// Publish stores an event now, before the handler ends.
	Publish(ctx context.Context, e event.Envelope, opts ...streams.PublishOption) (streams.Ack, error)
	// Request asks a service; see streams.Bus.Request.
	Request(ctx context.Context, subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error)
	// CancelTimer drops a timer that was set by publishing with streams.At.
	CancelTimer(ctx context.Context, plugin, timer string) error
}

type publisherKey struct{}

// WithPublisher returns a context whose handlers publish through p.
func WithPublisher(ctx context.Context, p Publisher) context.Context {
	return context.WithValue(ctx, publisherKey{}, p)
}

// PublisherFrom is the publisher of the event being handled, or nil outside of
// a handler.
func PublisherFrom(ctx context.Context) Publisher {
	p, _ := ctx.Value(publisherKey{}).(Publisher)
	return p
}

// A permanent error is one that no further attempt can mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks an error as one that no further attempt can mend: the event
// is dead-lettered at once. A nil err stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

func isPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

// PanicError is what Recover makes of a panic.
type PanicError struct {
	Value any
	Stack string
}

// Error says what the handler panicked with.
func (e *PanicError) Error() string { return fmt.Sprintf("the handler panicked: %v", e.Value) }

// Recover makes a handler's panic a failed attempt with its stack recorded.
func Recover() Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) (out []event.Envelope, err error) {
			defer func() {
				if v := recover(); v != nil {
					out, err = nil, &PanicError{Value: v, Stack: string(debug.Stack())}
				}
			}()
			return next(ctx, d)
		}
	}
}

// Expire does not hand on an event that is older than maxAge but records it as
// plugin.{name}.event.expired. A maxAge of 0 lets everything pass.
func Expire(consumer, name string, maxAge time.Duration) Middleware {
	return func(next Handler) Handler {
		if maxAge <= 0 {
			return next
		}
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			if age := Now(ctx).Sub(d.At); age > maxAge {
				return NewExpired(consumer, name, d, age, maxAge)
			}
			return next(ctx, d)
		}
	}
}

// NewExpired returns the event plugin.{name}.event.expired, which records that
// consumer did not handle d because it was older than maxAge.
func NewExpired(consumer, name string, d streams.Stored, age, maxAge time.Duration) ([]event.Envelope, error) {
	e, err := event.New(event.EventSubject(name, event.TypeExpired), event.Expired{
		EventType: event.TypeExpired,
		Consumer:  consumer,
		Stream:    d.Ref.Stream,
		Seq:       int64(d.Ref.Seq),
		Subject:   d.Subject,
		Age:       age.Round(time.Millisecond).Seconds(),
		MaxAge:    maxAge.Seconds(),
	})
	if err != nil {
		return nil, Permanent(err)
	}
	return []event.Envelope{e}, nil
}
