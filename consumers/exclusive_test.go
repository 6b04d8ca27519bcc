package consumers_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// leaderless is a JetStream whose consumers answer nothing once they have told their state.
type leaderless struct{ jetstream.JetStream }

func (l leaderless) Consumer(ctx context.Context, stream, name string) (jetstream.Consumer, error) {
	c, err := l.JetStream.Consumer(ctx, stream, name)
	return leaderlessConsumer{c, l.JetStream}, err
}

type leaderlessConsumer struct {
	jetstream.Consumer
	js jetstream.JetStream
}

func (c leaderlessConsumer) Info(ctx context.Context) (*jetstream.ConsumerInfo, error) {
	info, err := c.Consumer.Info(ctx)
	if err == nil {
		err = c.js.DeleteConsumer(ctx, info.Stream, info.Name)
	}
	return info, err
}

// A consumer without a leader does not take a nak. Opening it fails then, to be tried again,
// rather than to wait for ever.
func TestExclusiveWithoutALeader(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "waits for a leader")
	nc := streamstest.Connect(t, streamstest.Server(t))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Open(t.Context(), js, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	config := consumers.Config{Durable: "plugin-t", Stream: streams.Plugin, Name: "t", Subjects: []string{event.CommandSubject("t")}, Exclusive: true}
	bus := streams.NewBus(nc, js)
	if err := consumers.Open(t.Context(), bus, config); err != nil {
		t.Fatal(err)
	}
	command(t, bus, "held")
	dead, err := js.Consumer(t.Context(), streams.Plugin, config.Durable)
	if err != nil {
		t.Fatal(err)
	}
	if msg, err := dead.Next(); err != nil || msg == nil {
		t.Fatalf("nothing was delivered: %v", err)
	}
	if _, err := nc.Subscribe("$JS.ACK.PLUGIN.>", func(*nats.Msg) {}); err != nil { // who would answer has no leader
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- consumers.Open(t.Context(), streams.NewBus(nc, leaderless{js}), config) }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it has taken over what was not redelivered")
		}
	case <-time.After(time.Minute):
		t.Error("it waits for ever")
	}
}
