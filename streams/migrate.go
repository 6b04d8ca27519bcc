package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/msgid"
)

// Stores of version 0.1 had schedules in the stream PLUGIN. JetStream neither lets a
// stream be without schedules again nor have both schedules and sources, so there a
// TimerForwarder publishes due events, which the stream sources elsewhere.

// forwarderDurable is the TimerForwarder's durable consumer on the stream TIMER.
const forwarderDurable = "timer-carrier"

// TimerForwarder publishes due events to a stream PLUGIN of version 0.1. Several may
// run at a time.
type TimerForwarder struct {
	js     jetstream.JetStream
	signer msgid.Signer
	log    *slog.Logger
}

// NewTimerForwarder makes a TimerForwarder.
func NewTimerForwarder(js jetstream.JetStream, signer msgid.Signer, log *slog.Logger) *TimerForwarder {
	return &TimerForwarder{js, signer, log}
}

// Run works until ctx ends. It only waits where the stream sources due events.
func (c *TimerForwarder) Run(ctx context.Context) error {
	plugin, err := c.js.Stream(ctx, Plugin)
	if err != nil {
		return fmt.Errorf("open stream %s: %w", Plugin, err)
	}
	if !plugin.CachedInfo().Config.AllowMsgSchedules {
		<-ctx.Done()
		return ctx.Err()
	}
	consumer, err := openDurable(ctx, c.js, Timer, jetstream.ConsumerConfig{
		Durable: forwarderDurable, FilterSubject: event.AllDue, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 5 * time.Second,
	})
	if err != nil {
		return fmt.Errorf("open consumer %s: %w", forwarderDurable, err)
	}
	began := time.Now().Add(maxClockSkew)
	reading, err := consumer.Consume(func(msg jetstream.Msg) {
		if err := c.forward(ctx, msg, began); err != nil {
			c.log.WarnContext(ctx, "timer not forwarded, retrying", "subject", msg.Subject(), "error", err)
			_ = msg.NakWithDelay(time.Second) // redelivered in any case
		}
	}, jetstream.PullMaxMessages(1))
	if err != nil {
		return fmt.Errorf("read consumer %s: %w", forwarderDurable, err)
	}
	defer func() { reading.Stop(); <-reading.Closed() }()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-reading.Closed():
		return fmt.Errorf("read consumer %s: %w", forwarderDurable, jetstream.ErrConsumerDeleted)
	}
}

// forward publishes a due event. What was due before the forwarder began may have been
// published already, by a process that died or before the consumer was lost.
func (c *TimerForwarder) forward(ctx context.Context, msg jetstream.Msg, began time.Time) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	id := fmt.Sprintf("%s/%s:%d", forwarderDurable, Timer, meta.Sequence.Stream)
	out := &nats.Msg{Subject: event.FromDue(msg.Subject()), Data: msg.Data(), Header: nats.Header{}}
	if meta.NumDelivered > 1 || meta.Timestamp.Before(began) {
		published, err := c.published(ctx, out.Subject, id, meta.Timestamp.Add(-maxClockSkew))
		if err != nil {
			return err
		}
		if published {
			return msg.Ack()
		}
	}
	for key, values := range msg.Headers() {
		if !strings.HasPrefix(key, "Nats-") { // which would be instructions to the stream
			out.Header[key] = values
		}
	}
	if _, err := c.js.PublishMsg(ctx, out, jetstream.WithMsgID(c.signer.Sign(id))); err != nil {
		return err
	}
	return msg.Ack()
}

// published reports whether an event with a message ID, which the server may have forgotten,
// was stored on a subject since a point in time.
func (c *TimerForwarder) published(ctx context.Context, subject, id string, since time.Time) (bool, error) {
	for msg, err := range Messages(ctx, c.js, Selection{Stream: Plugin, Subjects: []string{subject}, Since: since}) {
		if err != nil || msgid.Unsigned(msg.Header.Get(jetstream.MsgIDHeader)) == id {
			return err == nil, err
		}
	}
	return false, nil
}

// moveTimers removes the subjects of schedules from a stream PLUGIN of version 0.1.
// Those that wait in it still fire.
func moveTimers(ctx context.Context, js jetstream.JetStream) error {
	plugin, err := js.Stream(ctx, Plugin)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c := plugin.CachedInfo().Config
	before := len(c.Subjects)
	c.Subjects = slices.DeleteFunc(c.Subjects, func(s string) bool { return strings.HasPrefix(s, "plugin.*.schedule.") })
	if len(c.Subjects) < before {
		_, err = js.UpdateStream(ctx, c)
	}
	return err
}
