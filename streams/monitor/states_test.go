package monitor_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A process that died with an event in hand is no reader, and one that works on an
// event for longer than its ack_wait is one.
func TestWhoReads(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	bus := streamstest.Bus(t, server)
	ctx := streamstest.Context(t)
	js := bus.JetStream()
	is := func(name string) monitor.ConsumerState { t.Helper(); return consumerState(ctx, t, js, name) }
	for range 2 {
		streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "a", Message: "hi", Channel: "c", Time: 1})
	}
	take := func(name string, wait time.Duration) jetstream.Msg {
		t.Helper()
		c, err := js.CreateConsumer(ctx, streams.Cytube, jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: wait})
		if err != nil {
			t.Fatal(err)
		}
		if got := is(name).Condition(); got != "nobody reads" {
			t.Errorf("a consumer that nobody has read yet: %s", got)
		}
		msg, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	take("patient", time.Hour)
	if c := is("patient"); c.Condition() != "running" || c.Waiting != 0 || c.Unacked != 1 || c.Backlog() != 2 {
		t.Errorf("with an event in hand: %s %+v", c.Condition(), c)
	}
	msg := take("quick", 500*time.Millisecond)
	await := func(want string, each func()) {
		t.Helper()
		for is("quick").Condition() != want {
			each()
			if ctx.Err() != nil {
				t.Fatalf("it is %s and should be %s", is("quick").Condition(), want)
			}
		}
	}
	await("nobody reads", func() {})
	if c := is("quick"); c.Unacked != 1 || c.Lag != 1 {
		t.Errorf("the process that died: %+v", c)
	}
	await("running", func() {
		if err := msg.InProgress(); err != nil {
			t.Fatal(err)
		}
	})
}

func consumerState(ctx context.Context, t *testing.T, js jetstream.JetStream, name string) monitor.ConsumerState {
	t.Helper()
	list, err := monitor.Consumers(ctx, js)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no consumer %s", name)
	return monitor.ConsumerState{}
}
