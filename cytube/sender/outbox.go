package sender

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
)

// SendsDurable is the durable consumer of cytube.send.*: the Dispatcher's or, where
// there is none, that of the only Sender.
const SendsDurable = "cytube-sender"

// OutboxDurable returns the durable consumer of a channel's outbox.
func OutboxDurable(channel string) string { return SendsDurable + "-" + strings.ToLower(channel) }

// ChannelOf returns the channel whose outbox a durable consumer reads; ok is false for
// other consumers.
func ChannelOf(durable string) (channel string, ok bool) {
	return strings.CutPrefix(durable, SendsDurable+"-")
}

func sendSubjects() []string {
	return []string{event.SubjectSendChat, event.SubjectSendPM, event.SubjectSendEmote}
}

func (s *Sender) durable() string {
	if s.cfg.Dispatched {
		return OutboxDurable(s.cfg.Channel)
	}
	return SendsDurable
}

// accepts reports whether a send that names a channel is spoken here.
func (s *Sender) accepts(name string) bool {
	return s.cfg.Dispatched || name == "" || strings.EqualFold(name, s.cfg.Channel)
}

// consumer is the durable consumer that the Sender runs as.
func (s *Sender) consumer() consumers.Config {
	c := consumers.Config{
		Durable: s.durable(), Name: s.durable(), Stream: streams.Cytube, Subjects: sendSubjects(), Ordered: true,
		Logger: s.cfg.Logger, Observe: s.cfg.OnSettled,
		// A send expires before it runs out of attempts: the bot may be killed many
		// times while it speaks.
		Backoff: []time.Duration{time.Second}, Attempts: 1000,
	}
	if s.cfg.Dispatched {
		c.Subjects = []string{event.OutboxSubject(s.cfg.Channel)}
	}
	return c
}

// Run speaks until ctx ends or NATS fails. A message that is being spoken then is
// finished if its echo is still to come. Without a Dispatcher it first speaks what is
// left in the channel's outbox from when there was one, and deletes its consumer.
func (s *Sender) Run(ctx context.Context) error {
	s.stop = ctx.Done()
	if !s.cfg.Dispatched {
		outbox := *s
		outbox.cfg.Dispatched = true
		if err := outbox.finish(ctx, outbox.handle); err != nil {
			return err
		}
		s.begun = outbox.begun
	}
	return s.run(ctx, s.handle)
}

// run hands the sends to a handler.
func (s *Sender) run(ctx context.Context, handle consumers.Handler) error {
	if err := s.Open(ctx); err != nil {
		return err
	}
	if s.cfg.Dispatched {
		handle = s.resolve(handle)
	}
	return consumers.Run(ctx, s.bus, s.consumer(), handle)
}

// resolve hands the send that an outbox event refers to on to a handler.
func (s *Sender) resolve(handle consumers.Handler) consumers.Handler {
	return func(ctx context.Context, outbox streams.Stored) ([]event.Envelope, error) {
		send, ok, err := s.history.Referred(ctx, outbox)
		switch {
		case event.CodeOf(err) == event.InvalidInput:
			return nil, consumers.Permanent(err)
		case err != nil:
			return nil, err
		case !ok: // erased, or removed by retention
			return nil, nil
		}
		return handle(ctx, send)
	}
}

// Open creates the durable consumer of the outbox if it does not exist. It skips what
// is older than a send may be. Without a Dispatcher there is no outbox, and Open does
// nothing.
func (s *Sender) Open(ctx context.Context) error {
	if !s.cfg.Dispatched {
		return nil
	}
	config := s.consumer()
	_, err := s.bus.JetStream().Consumer(ctx, streams.Cytube, config.Durable)
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	stream, err := s.bus.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		return fmt.Errorf("look where consumer %s begins: %w", config.Durable, err)
	}
	config.Since = stream.CachedInfo().TimeStamp.Add(-s.cfg.MaxAge)
	return consumers.Open(ctx, s.bus, config)
}

// VacatedChannels lists the channels that have an outbox consumer and are not among
// the channels given.
func VacatedChannels(ctx context.Context, js jetstream.JetStream, channels []string) (vacated []string, err error) {
	stream, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		return nil, fmt.Errorf("list vacated channels: %w", err)
	}
	lister := stream.ConsumerNames(ctx)
	for name := range lister.Name() {
		if channel, ok := ChannelOf(name); ok && !slices.ContainsFunc(channels, func(c string) bool { return OutboxDurable(c) == name }) {
			vacated = append(vacated, channel)
		}
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("list vacated channels: %w", err)
	}
	return vacated, nil
}

// Vacate records the sends that wait in a channel's outbox as refused, and deletes its
// consumer. No bot may be in the channel. onSettled, if not nil, is called for each.
func Vacate(ctx context.Context, bus *streams.Bus, channel string, log *slog.Logger, onSettled func(consumers.Outcome)) error {
	s := New(bus, Config{Channel: strings.ToLower(channel), Dispatched: true, Logger: log, OnSettled: onSettled})
	return s.finish(ctx, s.refuse)
}

// refuse records a send as refused, unless it was heard from a bot that died before it
// could acknowledge it.
func (s *Sender) refuse(ctx context.Context, send streams.Stored) ([]event.Envelope, error) {
	parts, _, err := messagesOf(send, s.cfg.MessageLimit, trace.SpanContext{})
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	if len(parts) > 0 {
		heard, err := s.heard(ctx, send.Ref, parts, "")
		if err != nil || len(heard) == len(parts) {
			return nil, err
		}
	}
	return s.delivery(ctx, send, event.DeliveryRefused, "the bot is not in channel "+s.cfg.Channel)
}

// finish hands what waits in the outbox, into which nothing may be put any more, to a
// handler and then deletes its consumer.
func (s *Sender) finish(ctx context.Context, handle consumers.Handler) error {
	js, durable := s.bus.JetStream(), s.durable()
	outbox, err := js.Consumer(ctx, streams.Cytube, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up consumer %s: %w", durable, err)
	}
	if info := outbox.CachedInfo(); !drained(info) {
		s.cfg.Logger.InfoContext(ctx, "draining outbox", "channel", s.cfg.Channel, "pending", int(info.NumPending)+info.NumAckPending)
		if err := s.drain(ctx, outbox, handle); err != nil {
			return err
		}
	}
	err = js.DeleteConsumer(ctx, streams.Cytube, durable)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("delete consumer %s: %w", durable, err)
	}
	return nil
}

func drained(outbox *jetstream.ConsumerInfo) bool {
	return outbox.NumPending == 0 && outbox.NumAckPending == 0
}

// drainPoll is the interval at which drain looks how much is left.
const drainPoll = 200 * time.Millisecond

// drain runs until nothing waits for the consumer.
func (s *Sender) drain(ctx context.Context, outbox jetstream.Consumer, handle consumers.Handler) error {
	working, cancel := context.WithCancelCause(ctx)
	var polling sync.WaitGroup
	polling.Go(func() {
		for retry.Sleep(working, drainPoll) == nil {
			if info, err := outbox.Info(working); err == nil && drained(info) {
				cancel(errDrained)
			}
		}
	})
	err := s.run(working, handle)
	cancel(err)
	polling.Wait()
	if errors.Is(context.Cause(working), errDrained) {
		return nil
	}
	return cmp.Or(err, ctx.Err())
}

var errDrained = errors.New("the outbox is empty")
