package sender

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// SendsDurable names the durable consumer of a Sender that is the only one on the streams.
const SendsDurable = "cytube-sender"

// OutboxDurable returns the name of the durable consumer of a channel's Sender where
// several Senders read the streams.
func OutboxDurable(channel string) string { return SendsDurable + "-" + strings.ToLower(channel) }

// ChannelOf returns the channel whose sends a durable consumer reads; ok is false for
// other consumers.
func ChannelOf(durable string) (channel string, ok bool) {
	return strings.CutPrefix(durable, SendsDurable+"-")
}

func (s *Sender) durable() string {
	if s.cfg.Channels == nil {
		return SendsDurable
	}
	return OutboxDurable(s.cfg.Channel)
}

// consumer is the durable consumer that the Sender runs as.
func (s *Sender) consumer() consumers.Config {
	durable := s.durable()
	return consumers.Config{
		Durable: durable, Name: durable, Stream: streams.Cytube, Exclusive: true,
		Subjects: []string{event.AllSends}, Skip: s.skips,
		Logger: s.cfg.Logger, Observe: s.cfg.OnSettled,
		// A send expires before it runs out of attempts: the bot may be killed many
		// times while it speaks.
		Backoff: []time.Duration{time.Second}, Attempts: 1000,
	}
}

// newSince is how far back a new consumer begins that has no checkpoint. What was spoken since then is known by
// what is recorded of it.
const newSince = time.Hour

// Open creates the Sender's durable consumer if it does not exist. It replaces that of a
// bot with another number of channels, and that of an earlier release, which read other
// subjects.
func (s *Sender) Open(ctx context.Context) error {
	js, config := s.bus.JetStream(), s.consumer()
	c, err := js.Consumer(ctx, streams.Cytube, config.Durable)
	if err == nil && !slices.ContainsFunc(streams.FilterSubjects(c.CachedInfo().Config), func(f string) bool { return event.Match(f, event.SubjectSendChat) }) {
		if err := s.deleteConsumer(ctx, config.Durable); err != nil {
			return err
		}
		err = jetstream.ErrConsumerNotFound
	}
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		stream, err := js.Stream(ctx, streams.Cytube)
		if err != nil {
			return fmt.Errorf("look where consumer %s begins: %w", config.Durable, err)
		}
		config.Since = stream.CachedInfo().TimeStamp.Add(-newSince)
		if err := consumers.Open(ctx, s.bus, config); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	switch {
	case s.cfg.Channels == nil:
		return s.deleteConsumer(ctx, OutboxDurable(s.cfg.Channel))
	case s.first():
		return s.deleteConsumer(ctx, SendsDurable)
	}
	return nil
}

func (s *Sender) deleteConsumer(ctx context.Context, durable string) error {
	err := streams.DeleteDurable(ctx, s.bus.JetStream(), streams.Cytube, durable)
	if errors.Is(err, jetstream.ErrInvalidConsumerName) {
		return nil
	}
	return err
}

// Run speaks until ctx ends or NATS fails. A message that is being spoken then is
// finished if its echo is still to come.
func (s *Sender) Run(ctx context.Context) error {
	s.stop = ctx.Done()
	if err := s.Open(ctx); err != nil {
		return err
	}
	return consumers.Run(ctx, s.bus, s.consumer(), s.handle)
}

// first reports whether the Sender takes the sends that name no channel.
func (s *Sender) first() bool {
	return s.cfg.Channels == nil || strings.EqualFold(s.cfg.Channels[0], s.cfg.Channel)
}

// speaks reports whether a send that names a channel is spoken here.
func (s *Sender) speaks(name string) bool {
	return strings.EqualFold(name, s.cfg.Channel) || name == "" && s.first()
}

// skips reports whether a send is for another channel's Sender.
func (s *Sender) skips(send streams.Stored) bool {
	name, err := channelOf(send)
	return err == nil && !s.speaks(name) && (!s.first() || slices.ContainsFunc(s.cfg.Channels, func(c string) bool { return strings.EqualFold(c, name) }))
}

// unserved reports whether no bot is in a channel that is none of this one's: it has no
// consumer.
func (s *Sender) unserved(ctx context.Context, name string) (bool, error) {
	if s.cfg.Channels == nil || !event.ValidName(name) {
		return true, nil
	}
	_, err := s.bus.JetStream().Consumer(ctx, streams.Cytube, OutboxDurable(name))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return true, nil
	}
	return false, err
}

// claim takes a send that names no channel, and reports whether the first channel of
// another bot took it before: each bot's first channel may speak it.
func (s *Sender) claim(ctx context.Context, send streams.Stored) (mine bool, err error) {
	e, err := event.New(event.OutboxSubject(s.cfg.Channel), event.Outbox{Channel: s.cfg.Channel, Send: send.Ref.String()})
	if err != nil {
		return false, err
	}
	ack, err := s.bus.Publish(ctx, e, streams.WithMsgID("claimed/"+send.Ref.String()))
	if err != nil || !ack.Duplicate {
		return err == nil, err
	}
	stream, err := s.bus.JetStream().Stream(ctx, ack.Ref.Stream)
	if err != nil {
		return false, err
	}
	first, err := stream.GetMsg(ctx, ack.Ref.Seq)
	if err != nil {
		return false, fmt.Errorf("look which channel claimed a send: %w", err)
	}
	return first.Subject == e.Subject, nil
}

// passOver takes a send that names another channel. It is refused if no bot is there.
func (s *Sender) passOver(ctx context.Context, send streams.Stored, name string) error {
	unserved, err := s.unserved(ctx, name)
	switch {
	case err != nil || !unserved:
		return err
	case s.cfg.Channels != nil && event.ValidName(name) && send.Attempt == 1:
		// A refusal is final, and the channel's consumer may just be made or restored.
		return fmt.Errorf("channel %s has no consumer", name)
	case !send.At.After(s.started): // a bot may have been there
		o, err := s.outcomes(ctx, send, false)
		if err != nil || o.Delivered[send.Ref] || o.Heard[send.Ref] != nil {
			return err
		}
	}
	return s.refuse(ctx, send, strings.ToLower(name))
}

// refuse records that a send was not spoken because no bot is in its channel, once
// however many bots see that.
func (s *Sender) refuse(ctx context.Context, send streams.Stored, name string) error {
	e, err := s.delivery(ctx, send, event.Delivery{Channel: name, Status: event.DeliveryRefused, Reason: "the bot is not in channel " + name})
	if err == nil {
		_, err = s.bus.Publish(ctx, e, streams.WithMsgID("refused/"+send.Ref.String()))
	}
	return err
}
