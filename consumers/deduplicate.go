package consumers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// outageTimeout is how long a publish or database request is retried before it fails
// the attempt, of which an event has few.
const outageTimeout = 30 * time.Second

// Deduplicate publishes what the handler returns. Each output has a message ID made
// from the consumer, the event and the output's number (see MessageIDs), so that
// JetStream drops what a redelivery repeats. A notice is numbered by its kind: an
// attempt that records an event as expired or denied repeats no output of an earlier
// attempt that handled it. It validates all outputs before it publishes any.
func Deduplicate(bus *streams.Bus, c Config) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			delivery := deliveryOf(ctx)
			again, since := c.mayRepeat(d, bus.SignedSince())
			p := &publisher{bus: bus, allow: c.Allow, log: c.Logger, ids: MessageIDs{consumer: c.Durable, ref: d.Ref}, attempt: d.Attempt, waited: delivery.Waited,
				earlier: earlierOutputs{bus: bus, log: c.Logger, since: since, again: again, overdue: time.Now().Round(0).Add(c.AckWait)}}
			out, err := next(WithPublisher(ctx, p), d)
			if err == nil {
				err = p.publishAll(ctx, out)
			}
			delivery.Duplicates = int(p.duplicates.Load())
			return nil, err
		}
	}
}

// publisher is the Publisher of one delivery.
type publisher struct {
	bus        *streams.Bus
	allow      func(subject string) error
	log        *slog.Logger
	ids        MessageIDs
	attempt    int
	waited     time.Duration
	duplicates atomic.Int64
	earlier    earlierOutputs
	timers     sync.Map // the sequences of those that this attempt set, by their names
}

// Publish stores an event at once. It and requests are numbered apart from the
// returned outputs: a handler that finds its work half done may make fewer of them on
// a redelivery, and the outputs must keep their numbers.
func (p *publisher) Publish(ctx context.Context, e event.Envelope, opts ...streams.PublishOption) (streams.Ack, error) {
	if err := p.allowed(e); err != nil {
		return streams.Ack{}, err
	}
	ack, err := p.publish(ctx, e, p.ids.Next("early"), opts...)
	if timer := streams.ResolveOptions(opts...).Timer; timer != "" && err == nil {
		p.timers.Store(timer, ack.Ref.Seq)
	}
	return ack, err
}

func (p *publisher) Request(ctx context.Context, subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error) {
	opts = append([]streams.PublishOption{streams.WithMsgID(p.ids.Next("request"))}, opts...)
	if event.Match(event.AllDatabase, subject) {
		opts = append(opts, streams.WithRetry(outageTimeout))
	}
	if p.earlier.mayRepeat() {
		opts = append(opts, streams.WithEarlier(p.earlier.since))
	}
	return p.bus.Request(ctx, subject, payload, opts...)
}

// CancelTimer cancels what this event or an earlier one set. Of the event's own timers it
// drops only what this attempt has set until now: any other was set by an earlier attempt
// after it had cancelled, and setting it again is dropped as a duplicate.
func (p *publisher) CancelTimer(ctx context.Context, plugin, timer string) error {
	own, _ := p.timers.Load(timer)
	seq, _ := own.(uint64)
	return p.bus.CancelTimer(ctx, plugin, timer, seq)
}

func (p *publisher) publishAll(ctx context.Context, events []event.Envelope) error {
	for _, e := range events {
		if err := p.allowed(e); err != nil {
			return err
		}
		if err := errors.Join(e.Validate(), p.bus.CheckLimits(e)); err != nil {
			return Permanent(err)
		}
	}
	for _, e := range events {
		// A notice takes a number, too: what follows keeps its own whatever its kind.
		id := p.ids.Next("")
		if kind := noticeKind(e.Subject); kind != "" {
			id = p.ids.Next(kind)
		}
		if _, err := p.publish(ctx, e, id); err != nil {
			return err
		}
	}
	return nil
}

func (p *publisher) allowed(e event.Envelope) error {
	if p.allow == nil {
		return nil
	}
	return Permanent(p.allow(e.Subject))
}

// publish stores e under a message ID, unless opts contain another one.
func (p *publisher) publish(ctx context.Context, e event.Envelope, id string, opts ...streams.PublishOption) (streams.Ack, error) {
	all := append(make([]streams.PublishOption, 0, len(opts)+4), streams.WithMsgID(id))
	all = append(all, opts...)
	// Replay tells queueing from handling by this, without spans.
	all = append(all, streams.WithMeta(event.MetaWaited, max(p.waited, 0).Round(time.Microsecond).Seconds()), streams.WithRetry(outageTimeout))
	if p.attempt > 1 {
		all = append(all, streams.WithMeta(event.MetaAttempt, p.attempt))
	}
	ack, found, err := p.earlier.find(ctx, e.Subject, streams.ResolveOptions(all...))
	if err == nil && !found {
		ack, err = p.bus.Publish(ctx, e, all...)
	}
	if err != nil {
		err = fmt.Errorf("publish %s: %w", e.Subject, err)
		if event.CodeOf(err) == event.InvalidInput {
			err = Permanent(err)
		}
		return streams.Ack{}, err
	}
	if ack.Duplicate {
		p.duplicates.Add(1)
		p.log.InfoContext(ctx, "duplicate dropped", "subject", e.Subject, "msg_id", id, "stored", ack.Ref.String())
	}
	return ack, nil
}
