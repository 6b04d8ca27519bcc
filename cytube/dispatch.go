package cytube

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

// SenderDurable is the durable consumer by which a channel's connector reads the
// sends that a Dispatcher left for it.
func SenderDurable(channel string) string { return DefaultDurable + "-" + strings.ToLower(channel) }

// ChannelOf is the channel of which durable is the SenderDurable; ok is false when it
// is another consumer.
func ChannelOf(durable string) (channel string, ok bool) {
	return strings.CutPrefix(durable, DefaultDurable+"-")
}

// Dispatcher hands sends out to several channels: the contract's cytube.send.*
// name their channel in the payload only. It reads each once, as the durable
// DefaultDurable, and stores a reference to it on the channel's own subject (see
// event.OutboxSubject), where the channel's connector reads it as SenderDurable.
// So a channel that is slow or away keeps nobody else waiting, and a send
// survives whatever dies on the way. Several processes share the work.
type Dispatcher struct {
	channels []string // lower case; the first gets what names none
	open     func(ctx context.Context, channel string) error
	opened   map[string]bool
	served   func(ctx context.Context, channel string) (bool, error)
	alone    bool
	log      *slog.Logger
	observe  func(consumers.Outcome)
}

// NewDispatcher makes a Dispatcher for channels, of which there must be one; the
// first gets the sends that name no channel. A send to a channel that is not
// among them is left for it where another process serves it, and is otherwise
// recorded as refused. Observe, which may be nil, is told of each send.
func NewDispatcher(bus *streams.Bus, channels []string, log *slog.Logger, observe func(consumers.Outcome)) *Dispatcher {
	d := &Dispatcher{log: log, observe: observe, opened: map[string]bool{}}
	d.open = func(ctx context.Context, channel string) error {
		cfg := Config{Channel: channel, Dispatched: true}.withDefaults()
		return (&sender{cfg: cfg, history: &history{js: bus.JetStream(), channel: cfg.Channel}, log: log}).open(ctx, bus)
	}
	for _, c := range channels {
		d.channels = append(d.channels, strings.ToLower(c))
	}
	d.served = func(ctx context.Context, channel string) (bool, error) {
		_, err := bus.JetStream().Consumer(ctx, streams.Cytube, SenderDurable(channel))
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	return d
}

// Alone tells the Dispatcher that no other process serves any channel, so that a
// send to one that the bot has left is refused, and returns it.
func (d *Dispatcher) Alone() *Dispatcher {
	d.alone = true
	return d
}

// Config is the consumer that the Dispatcher runs as: pass it to consumers.Run
// with Handle.
func (d *Dispatcher) Config() consumers.Config {
	return consumers.Config{
		Durable: DefaultDurable, Stream: streams.Cytube, Name: DefaultDurable, Subjects: sendSubjects(), Ordered: true,
		Logger: d.log, Observe: d.observe,
		// What fails here is NATS, and it fails for all.
		Backoff: []time.Duration{time.Second}, Attempts: 1000,
	}
}

func sendSubjects() []string {
	return []string{event.SubjectSendChat, event.SubjectSendPM, event.SubjectSendEmote}
}

// Handle is the Dispatcher's Handler.
func (d *Dispatcher) Handle(ctx context.Context, s streams.Stored) ([]event.Envelope, error) {
	channel, err := channelOf(s)
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	if channel == "" {
		channel = d.channels[0]
	}
	served := slices.Contains(d.channels, channel)
	if !served && !d.alone && event.ValidName(channel) {
		if served, err = d.served(ctx, channel); err != nil {
			return nil, err
		}
		if !served && s.Attempt == 1 {
			// A refusal is final, and the channel's consumer may just be made or restored: look again.
			return nil, fmt.Errorf("channel %s has no consumer", channel)
		}
	}
	if !served {
		d.log.WarnContext(ctx, "a send names a channel that the bot is not in", "channel", channel, "send", s.Ref.String())
		e, err := event.New(event.SubjectDelivery, event.Delivery{
			Channel: channel, Status: event.DeliveryRefused, Reason: "the bot is not in this channel", Send: s.Ref.String(),
		})
		return []event.Envelope{e}, consumers.Permanent(err)
	}
	if !d.opened[channel] {
		// What is left for the channel is lost from sight where it has no consumer.
		if err := d.open(ctx, channel); err != nil {
			return nil, err
		}
		d.opened[channel] = true
	}
	e, err := event.New(event.OutboxSubject(channel), event.Outbox{Channel: channel, Send: s.Ref.String()})
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	e.Priority = s.Priority
	return []event.Envelope{e}, nil
}

// channelOf is the channel that a send names, or "".
func channelOf(s streams.Stored) (string, error) {
	_, channel, err := new(utterance).of(s)
	return strings.ToLower(channel), err
}

// referred reads the send that an outbox event refers to; ok is false when it is
// no longer in the stream.
func (h *history) referred(ctx context.Context, d streams.Stored) (send streams.Stored, ok bool, err error) {
	o, err := event.As[event.Outbox](d.Envelope)
	if err != nil {
		return send, false, err
	}
	ref, err := event.ParseRef(o.Send)
	if err != nil {
		return send, false, err
	}
	if ref.Stream != streams.Cytube {
		return send, false, event.Errorf(event.InvalidInput, "%s refers to %s, which is no send", d.Ref, ref)
	}
	stream, err := h.stream(ctx)
	if err != nil {
		return send, false, err
	}
	raw, err := stream.GetMsg(ctx, ref.Seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return send, false, nil
	}
	if err == nil {
		send, err = streams.ReadRaw(ref.Stream, raw)
	}
	if err != nil {
		return send, false, fmt.Errorf("read %s: %w", ref, err)
	}
	send.Attempt = d.Attempt
	return send, true, nil
}

// stream is the stream CYTUBE, looked up once: asking for its state for each
// send would cost more than the send.
func (h *history) stream(ctx context.Context) (jetstream.Stream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cytube == nil {
		s, err := h.js.Stream(ctx, streams.Cytube)
		if err != nil {
			return nil, fmt.Errorf("open stream %s: %w", streams.Cytube, err)
		}
		h.cytube = s
	}
	return h.cytube, nil
}
