package sender

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube/ability"
	"github.com/rosey-bot/rosey/cytube/internal/history"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Do publishes a send that asks something of a channel, and waits for its outcome. ref is
// where the send is stored, the zero Ref if it is not; then the error is INVALID_INPUT for
// a send that breaks the contract. A TIMEOUT error says that there was no outcome within
// DoTimeout or before ctx ended: no bot may be in the channel.
func Do(ctx context.Context, bus *streams.Bus, send event.Envelope) (d event.Delivery, ref event.Ref, err error) {
	if err := check(send); err != nil {
		return d, ref, err
	}
	f, err := Follow(ctx, bus)
	if err != nil {
		return d, ref, err
	}
	defer f.Stop()
	return f.Do(ctx, send)
}

// A Follower asks for one thing after the other, by one subscription to the outcomes.
type Follower struct {
	bus      *streams.Bus
	outcomes <-chan event.Delivery
	stop     func()
}

// Follow returns a Follower, which is stopped by Stop.
func Follow(ctx context.Context, bus *streams.Bus) (*Follower, error) {
	outcomes, stop, err := follow(ctx, bus)
	return &Follower{bus, outcomes, stop}, err
}

// Stop ends the subscription.
func (f *Follower) Stop() { f.stop() }

// Do asks for a send and waits for its outcome, as the function Do does.
func (f *Follower) Do(ctx context.Context, send event.Envelope) (d event.Delivery, ref event.Ref, err error) {
	if err := check(send); err != nil {
		return d, ref, err
	}
	ctx, cancel := context.WithTimeout(ctx, DoTimeout)
	defer cancel()
	if send.CorrelationID == "" {
		send.CorrelationID = propagation.Correlation(ctx)
	}
	ack, err := f.bus.Publish(ctx, send)
	if err != nil {
		return d, ref, err
	}
	for {
		select {
		case d := <-f.outcomes:
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

// check returns an INVALID_INPUT error for a send that asks nothing of a channel, or breaks
// the contract.
func check(send event.Envelope) error {
	if !ability.Is(send.Subject) {
		return event.Errorf(event.InvalidInput, "%s is nothing that can be asked of a channel", send.Subject)
	}
	return send.Validate()
}

// follow subscribes to the outcomes of sends until stop is called.
func follow(ctx context.Context, bus *streams.Bus) (outcomes <-chan event.Delivery, stop func(), err error) {
	list, ended := make(chan event.Delivery, 100), make(chan struct{})
	sub, err := bus.Subscribe(ctx, event.SubjectDelivery, func(_ context.Context, s streams.Stored) {
		if d, err := event.As[event.Delivery](s.Envelope); err == nil {
			select {
			case list <- d:
			case <-ended:
			}
		}
	})
	if err != nil {
		return nil, nil, err
	}
	return list, func() {
		go sub.Stop() // it may be handing over an outcome
		close(ended)
	}, nil
}

// NewSend returns a send with a payload, in which the fields that are not "" are set: its
// channel, for whom it is and why. Its correlation ID is that of ctx, or a new one. The error
// is INVALID_INPUT.
func NewSend(ctx context.Context, subject string, payload any, fields map[string]string) (event.Envelope, error) {
	raw, err := event.Encode(payload)
	if err != nil {
		return event.Envelope{}, err
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return event.Envelope{}, err
	}
	for name, value := range fields {
		if value != "" {
			all[name] = value
		}
	}
	e, err := event.New(subject, all)
	e.CorrelationID = cmp.Or(propagation.Correlation(ctx), event.NewCorrelationID())
	return e, err
}

// Settle waits until every send to a channel that is stored by now has its outcome or has
// expired.
func Settle(ctx context.Context, bus *streams.Bus, channel string) error {
	outcomes, stop, err := follow(ctx, bus)
	if err != nil {
		return err
	}
	defer stop()
	pending, err := unsettled(ctx, bus.JetStream(), channel)
	if err != nil {
		return err
	}
	timer := time.NewTimer(DoTimeout)
	defer timer.Stop()
	for len(pending) > 0 {
		select {
		case d := <-outcomes:
			delete(pending, d.Send)
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// unsettled returns where the sends are stored that ask something of a channel and have no
// outcome yet.
func unsettled(ctx context.Context, js jetstream.JetStream, channel string) (map[string]bool, error) {
	stream, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", streams.Cytube, err)
	}
	from, err := streams.SequenceSince(ctx, js, stream, time.Now().Add(-DoTimeout))
	if err != nil {
		return nil, err
	}
	pending, over := map[string]bool{}, map[string]bool{}
	for _, subject := range []string{event.SubjectDelivery, event.AllSends} {
		for s, err := range history.New(js, channel).Events(ctx, subject, from, 0) {
			switch {
			case err != nil:
				return nil, err
			case subject == event.SubjectDelivery:
				if d, err := event.As[event.Delivery](s.Envelope); err == nil {
					over[d.Send] = true
				}
			case ability.Is(s.Subject) && !over[s.Ref.String()]:
				if of := ability.ChannelOf(s.Envelope); of == "" || strings.EqualFold(of, channel) {
					pending[s.Ref.String()] = true
				}
			}
		}
	}
	return pending, nil
}

// DoTimeout is how long the outcome of a send may take: it expires, or is written and waits
// for its confirmation.
const DoTimeout = DefaultMaxAge + lookups*defaultEchoTimeout
