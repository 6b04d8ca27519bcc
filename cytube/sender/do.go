package sender

import (
	"context"
	"errors"

	"github.com/rosey-bot/rosey/cytube/ability"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Do publishes a send that asks something of a channel, and waits for its outcome. ref is
// where the send is stored, the zero Ref if it is not; then the error is INVALID_INPUT for
// a send that breaks the contract. A TIMEOUT error says that there was no outcome before ctx
// ended: no bot may be in the channel.
func Do(ctx context.Context, bus *streams.Bus, send event.Envelope) (d event.Delivery, ref event.Ref, err error) {
	if !ability.Is(send.Subject) {
		return d, ref, event.Errorf(event.InvalidInput, "%s is nothing that can be asked of a channel", send.Subject)
	}
	if err := send.Validate(); err != nil {
		return d, ref, err
	}
	outcomes := make(chan event.Delivery, 100)
	ended := make(chan struct{})
	defer close(ended)
	sub, err := bus.Subscribe(ctx, event.SubjectDelivery, func(_ context.Context, s streams.Stored) {
		if d, err := event.As[event.Delivery](s.Envelope); err == nil {
			select {
			case outcomes <- d:
			case <-ended:
			}
		}
	})
	if err != nil {
		return d, ref, err
	}
	defer func() { go sub.Stop() }() // it may be handing over an outcome
	if send.CorrelationID == "" {
		send.CorrelationID = propagation.Correlation(ctx)
	}
	ack, err := bus.Publish(ctx, send)
	if err != nil {
		return d, ref, err
	}
	for {
		select {
		case d := <-outcomes:
			if d.Send == ack.Ref.String() {
				return d, ack.Ref, nil
			}
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return d, ack.Ref, event.Errorf(event.Timeout, "%s has no outcome yet: is a bot in the channel?", ack.Ref)
			}
			return d, ack.Ref, ctx.Err()
		}
	}
}

// DoTimeout is how long the outcome of a send may take: it expires, or is written and waits
// for its confirmation.
const DoTimeout = DefaultMaxAge + lookups*DefaultEchoTimeout
