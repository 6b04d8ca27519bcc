// Package consumers handles stored events effectively once. Its durable pull
// consumers acknowledge after success, retry with backoff, dead-letter what cannot be
// handled, and publish so that a redelivery is deduplicated. Each of these guarantees
// is a Middleware around a Handler; Run composes them.
package consumers

import (
	"context"
	"encoding/json"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Handler handles one delivered event and returns what to publish because of it. Run
// publishes that and then acknowledges the event. If the process dies in between, the
// handler is called again with the same event; what it returns is deduplicated as long
// as it comes in the same order. So a handler takes time and randomness from the event
// and not from the machine.
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

// Publisher publishes and requests on behalf of a handler; see PublisherFrom. A dry
// run puts another one into the context.
type Publisher interface {
	// Publish stores an event at once, before the handler returns.
	Publish(ctx context.Context, e event.Envelope, opts ...streams.PublishOption) (streams.Ack, error)
	// Request sends a request to a service; see streams.Bus.Request.
	Request(ctx context.Context, subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error)
	// CancelTimer deletes a timer that was set by publishing with streams.At, unless a
	// later event set it.
	CancelTimer(ctx context.Context, plugin, timer string) error
}

type publisherKey struct{}

// WithPublisher returns a context whose handlers publish through p.
func WithPublisher(ctx context.Context, p Publisher) context.Context {
	return context.WithValue(ctx, publisherKey{}, p)
}

// PublisherFrom returns the publisher of the event being handled, or nil outside of
// a handler.
func PublisherFrom(ctx context.Context) Publisher {
	p, _ := ctx.Value(publisherKey{}).(Publisher)
	return p
}
