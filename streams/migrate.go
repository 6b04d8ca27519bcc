package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

// forwarderDurable is the TimerForwarder's durable consumer on the stream TIMER.
const forwarderDurable = "timer-carrier"

// A TimerForwarder does for a stream PLUGIN that once had schedules of its own, as in
// version 0.1, what its source does for others: JetStream lets no stream have
// both, nor be without schedules again. Several may run at a time.
type TimerForwarder struct {
	js     jetstream.JetStream
	signer MessageIDSigner
	log    *slog.Logger
}

// NewTimerForwarder makes a TimerForwarder, whose message IDs the MessageIDSigner makes. Call Run to have it
// work.
func NewTimerForwarder(js jetstream.JetStream, signer MessageIDSigner, log *slog.Logger) *TimerForwarder {
	return &TimerForwarder{js, signer, log}
}

// Run puts what is due into the stream PLUGIN until ctx ends; it only waits where
// the stream gets that itself.
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
	messages, err := OneByOne(consumer)
	if err != nil {
		return fmt.Errorf("read consumer %s: %w", forwarderDurable, err)
	}
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		msg, err := Next(messages)
		switch {
		case errors.Is(err, jetstream.ErrMsgIteratorClosed) && ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			continue
		case err != nil:
			return fmt.Errorf("read consumer %s: %w", forwarderDurable, err)
		}
		if err := c.forward(ctx, msg); err != nil {
			c.log.WarnContext(ctx, "what is due is late and will be tried again", "subject", msg.Subject(), "error", err)
			_ = msg.NakWithDelay(time.Second) // it comes again in any case
		}
	}
}

func (c *TimerForwarder) forward(ctx context.Context, msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	out := &nats.Msg{Subject: event.FromDue(msg.Subject()), Data: msg.Data(), Header: nats.Header{}}
	for key, values := range msg.Headers() {
		if !strings.HasPrefix(key, "Nats-") { // those would have the stream act on schedules
			out.Header[key] = values
		}
	}
	id := fmt.Sprintf("%s/%s:%d", forwarderDurable, Timer, meta.Sequence.Stream)
	if _, err := c.js.PublishMsg(ctx, out, jetstream.WithMsgID(c.signer.sign(id))); err != nil {
		return err
	}
	return msg.Ack()
}
