package host

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// answering is the publisher of a handler that answers a request. Where the request has an
// ID, which a redelivery to who asks repeats, what the handler publishes and requests has
// message IDs made from it, so that it happens once.
type answering struct {
	publisher
	request streams.IdempotencyKey

	mu     sync.Mutex
	counts map[string]int
	stored map[string]map[string]event.Ref // by an earlier answer, by subject and message ID
}

func newAnswering(bus *streams.Bus, plugin string, request streams.IdempotencyKey) *answering {
	return &answering{publisher: publisher{bus, plugin}, request: request, counts: map[string]int{}, stored: map[string]map[string]event.Ref{}}
}

// options returns the options for the next of a kind.
func (a *answering) options(kind string, opts []streams.PublishOption) []streams.PublishOption {
	if a.request.ID == "" {
		return opts
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts[kind]++
	id := fmt.Sprintf("%s/%s/%s/%d", streams.Durable(a.plugin), a.request.ID, kind, a.counts[kind])
	return append([]streams.PublishOption{streams.WithMsgID(id), streams.WithEarlier(a.request.Earlier)}, opts...)
}

// Publish implements consumers.Publisher.
func (a *answering) Publish(ctx context.Context, e event.Envelope, opts ...streams.PublishOption) (streams.Ack, error) {
	opts = a.options("early", opts)
	if ref, found, err := a.find(ctx, e.Subject, streams.ResolveOptions(opts...)); err != nil || found {
		return streams.Ack{Ref: ref, Duplicate: found}, err
	}
	return a.publisher.Publish(ctx, e, opts...)
}

// Request implements consumers.Publisher.
func (a *answering) Request(ctx context.Context, subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error) {
	return a.publisher.Request(ctx, subject, payload, a.options("request", opts)...)
}

// find returns what an earlier answer has stored, which the server may not know any more. A
// timer is not looked for, as it replaces that of the same name.
func (a *answering) find(ctx context.Context, subject string, p streams.PublishParams) (ref event.Ref, found bool, err error) {
	if p.MsgID == "" || p.Timer != "" || p.Earlier.IsZero() {
		return event.Ref{}, false, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stored[subject] == nil {
		if a.stored[subject], err = a.Outputs(ctx, subject, p.Earlier); err != nil {
			return event.Ref{}, false, event.Errorf(event.NATSError, "find what an earlier answer stored: %w", err)
		}
	}
	ref, found = a.stored[subject][p.MsgID]
	return ref, found, nil
}
