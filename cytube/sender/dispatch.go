package sender

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Dispatcher distributes the sends to the outboxes of several channels: the contract's
// cytube.send.* name their channel in the payload only. It reads each send once, as the
// durable SendsDurable, and stores a reference to it on the channel's own subject
// (event.OutboxSubject), which the channel's Sender reads. So a channel that is slow or
// away delays no other, and a send survives a crash on the way. Several processes can
// share the durable.
type Dispatcher struct {
	bus       *streams.Bus
	channels  []string // lower case; the first gets the sends that name none
	alone     bool
	opened    map[string]bool
	log       *slog.Logger
	onSettled func(consumers.Outcome)
}

// NewDispatcher returns a Dispatcher for one or more channels; the first gets the sends
// that name no channel. A send to another channel is put into its outbox if another
// process serves it, and is otherwise recorded as refused. onSettled, if not nil, is
// called after each delivery.
func NewDispatcher(bus *streams.Bus, channels []string, log *slog.Logger, onSettled func(consumers.Outcome)) *Dispatcher {
	d := &Dispatcher{bus: bus, log: log, onSettled: onSettled, opened: map[string]bool{}}
	for _, c := range channels {
		d.channels = append(d.channels, strings.ToLower(c))
	}
	return d
}

// Alone says that no other process serves any channel, so that a send to a channel that
// the bot has left is refused. It returns d.
func (d *Dispatcher) Alone() *Dispatcher {
	d.alone = true
	return d
}

// Config is the consumer that the Dispatcher runs as: pass it to consumers.Run with
// Handle.
func (d *Dispatcher) Config() consumers.Config {
	return consumers.Config{
		Durable: SendsDurable, Stream: streams.Cytube, Name: SendsDurable, Subjects: sendSubjects(), Ordered: true,
		Logger: d.log, Observe: d.onSettled,
		// A failure here is one of NATS, which fails for every send.
		Backoff: []time.Duration{time.Second}, Attempts: 1000,
	}
}

// Handle is the Dispatcher's consumers.Handler.
func (d *Dispatcher) Handle(ctx context.Context, send streams.Stored) ([]event.Envelope, error) {
	_, _, name, err := decode(send)
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	if name = strings.ToLower(name); name == "" {
		name = d.channels[0]
	}
	served, err := d.serves(ctx, name)
	if err != nil {
		return nil, err
	}
	if !served && !d.alone && event.ValidName(name) && send.Attempt == 1 {
		// A refusal is final, and the channel's consumer may just be made or restored:
		// the next attempt looks again.
		return nil, fmt.Errorf("channel %s has no consumer", name)
	}
	if !served {
		d.log.WarnContext(ctx, "send refused, the bot is not in its channel", "channel", name, "send", send.Ref.String())
		e, err := event.New(event.SubjectDelivery, event.Delivery{
			Channel: name, Status: event.DeliveryRefused, Reason: "the bot is not in this channel", Send: send.Ref.String(),
		})
		return []event.Envelope{e}, consumers.Permanent(err)
	}
	if !d.opened[name] {
		// A consumer that is made later may begin behind the outbox event.
		if err := New(d.bus, Config{Channel: name, Dispatched: true, Logger: d.log}).Open(ctx); err != nil {
			return nil, err
		}
		d.opened[name] = true
	}
	e, err := event.New(event.OutboxSubject(name), event.Outbox{Channel: name, Send: send.Ref.String()})
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	e.Priority = send.Priority
	return []event.Envelope{e}, nil
}

// serves reports whether a bot, here or in another process, is in a channel: its outbox
// has a consumer.
func (d *Dispatcher) serves(ctx context.Context, name string) (bool, error) {
	switch {
	case slices.Contains(d.channels, name):
		return true, nil
	case d.alone || !event.ValidName(name):
		return false, nil
	}
	_, err := d.bus.JetStream().Consumer(ctx, streams.Cytube, OutboxDurable(name))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false, nil
	}
	return err == nil, err
}
