package streams

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

// Subscription is what Subscribe returns.
type Subscription struct{ stops []func() }

// Stop ends the subscription. Handlers that run are not interrupted.
func (s *Subscription) Stop() {
	for _, stop := range s.stops {
		stop()
	}
}

// Subscribe calls handler for each event stored from now on whose subject
// matches pattern, in the order of its stream; it reads the streams, so what is
// not stored is not seen. The wildcards that the contract prints (cytube.*,
// plugin.*, platform.*, database.*) mean all of the namespace, as they do there.
// The handler's context carries the event's correlation ID, so that what it
// publishes belongs to the same conversation (contract: Automatic Propagation).
// Malformed events are logged and skipped. A subscription keeps no position: work that
// must not be missed belongs in a durable consumer.
func (b *Bus) Subscribe(ctx context.Context, pattern string, handler func(context.Context, Stored)) (*Subscription, error) {
	filters, err := Overlapping(pattern)
	if err != nil {
		return nil, err
	}
	sub := &Subscription{}
	for stream, subjects := range filters {
		c, err := b.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
			FilterSubjects: subjects, DeliverPolicy: jetstream.DeliverNewPolicy,
		})
		if err != nil {
			sub.Stop()
			return nil, event.Errorf(event.NATSError, "subscribe to %s: %w", pattern, err)
		}
		cc, err := c.Consume(func(msg jetstream.Msg) {
			if IsFiller(msg.Subject(), msg.Data()) {
				return
			}
			s, err := Read(msg)
			if err != nil {
				b.log.WarnContext(ctx, "malformed event skipped", "subject", msg.Subject(), "error", event.Loggable(err))
				return
			}
			handler(ContextWithEvent(ctx, s), s)
		})
		if err != nil {
			sub.Stop()
			return nil, event.Errorf(event.NATSError, "subscribe to %s: %w", pattern, err)
		}
		sub.stops = append(sub.stops, func() {
			cc.Stop()
			<-cc.Closed()
			_ = DeleteConsumer(ctx, b.js, c) // else the server does, minutes later
		})
	}
	return sub, nil
}
