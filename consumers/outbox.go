package consumers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// patience is how long NATS and the database may be away before that fails an
// attempt, of which an event has few: the event stays with its handler, and those
// behind it in their stream.
const patience = 30 * time.Second

// An outbox publishes what one delivery of an event causes. Its k-th publish
// carries the Nats-Msg-Id <consumer>/<STREAM>:<SEQ>/<k>, so that what a
// redelivery repeats is recognised by JetStream and dropped. Requests and what
// is published before the handler ends are numbered apart, as …/request/<k> and
// …/early/<k>: a handler that finds its work half done may make fewer of them
// the second time, and its outputs must keep their numbers. An id that the
// handler gives itself stands.
type outbox struct {
	bus        *streams.Bus
	allow      func(subject string) error
	durable    string
	delivered  event.Ref
	attempt    int
	waited     time.Duration // of the event in its stream, before this delivery
	log        *slog.Logger
	outputs    atomic.Int64
	early      atomic.Int64
	requests   atomic.Int64
	duplicates atomic.Int64
}

func (o *outbox) Publish(ctx context.Context, e event.Envelope, opts ...streams.PublishOption) (streams.Ack, error) {
	if err := o.allowed(e); err != nil {
		return streams.Ack{}, err
	}
	return o.publish(ctx, e, o.id("/early", &o.early), opts...)
}

func (o *outbox) Request(ctx context.Context, subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error) {
	opts = append([]streams.PublishOption{streams.WithMsgID(o.id("/request", &o.requests))}, opts...)
	if event.Match(event.AllDatabase, subject) {
		opts = append(opts, streams.WithRetry(patience))
	}
	return o.bus.Request(ctx, subject, payload, opts...)
}

func (o *outbox) CancelTimer(ctx context.Context, plugin, timer string) error {
	return o.bus.CancelTimer(ctx, plugin, timer)
}

// publishAll checks everything before it publishes anything, so that an event
// is not half answered because of a mistake in its last output.
func (o *outbox) publishAll(ctx context.Context, events []event.Envelope) error {
	for _, e := range events {
		if err := o.allowed(e); err != nil {
			return err
		}
		if err := errors.Join(e.Validate(), o.bus.Fits(e)); err != nil {
			return Permanent(err)
		}
	}
	for _, e := range events {
		if _, err := o.publish(ctx, e, o.id("", &o.outputs)); err != nil {
			return err
		}
	}
	return nil
}

func (o *outbox) allowed(e event.Envelope) error {
	if o.allow == nil {
		return nil
	}
	return Permanent(o.allow(e.Subject))
}

func (o *outbox) id(kind string, counter *atomic.Int64) string {
	return o.durable + "/" + o.delivered.String() + kind + "/" + strconv.FormatInt(counter.Add(1), 10)
}

func (o *outbox) publish(ctx context.Context, e event.Envelope, id string, opts ...streams.PublishOption) (streams.Ack, error) {
	all := append(make([]streams.PublishOption, 0, len(opts)+4), streams.WithMsgID(id)) // the handler's own id comes behind it, and counts
	all = append(all, opts...)
	// Queue and handler can be told apart in the stream, with no trace at hand.
	all = append(all, streams.WithMeta(event.MetaWaited, max(o.waited, 0).Round(time.Microsecond).Seconds()), streams.WithRetry(patience))
	if o.attempt > 1 {
		all = append(all, streams.WithMeta(event.MetaAttempt, o.attempt))
	}
	ack, err := o.bus.Publish(ctx, e, all...)
	if err != nil {
		err = fmt.Errorf("publish %s: %w", e.Subject, err)
		if event.CodeOf(err) == event.InvalidInput {
			err = Permanent(err) // it breaks the contract, and would the next time
		}
		return streams.Ack{}, err
	}
	if ack.Duplicate {
		o.duplicates.Add(1)
		o.log.InfoContext(ctx, "already published by an earlier attempt", "subject", e.Subject, "msg_id", id, "stored", ack.Ref.String())
	}
	return ack, nil
}
