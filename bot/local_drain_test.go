package bot

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// The end of the input does not wait for a plugin that still reads what was stored before,
// and waits for all others.
func TestUnsettledConsumer(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	life := &lifecycle{bus: bus, plugins: []string{"stats"}, programs: &programs{}}
	say := func() {
		streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "hi", Channel: "main"})
	}
	durable := func(name string) jetstream.Consumer {
		t.Helper()
		c, err := js.CreateConsumer(ctx, streams.Cytube, jetstream.ConsumerConfig{Durable: name, FilterSubject: event.SubjectChat, AckPolicy: jetstream.AckExplicitPolicy})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	settle := func(c jetstream.Consumer) {
		t.Helper()
		m, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.DoubleAck(ctx); err != nil {
			t.Fatal(err)
		}
	}
	say()
	say()
	past := durable(streams.PastDurable("stats"))
	before, err := unreadPast(ctx, js)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(when, want string) {
		t.Helper()
		if busy, _, err := unsettledConsumer(ctx, life, before); err != nil || busy != want {
			t.Errorf("%s: busy is %q, %v; want %q", when, busy, err, want)
		}
	}
	expect("the past is unread", "")
	say()
	settle(past)
	expect("it is half read", "")
	settle(past)
	expect("a line of the input is unread", past.CachedInfo().Name)
	settle(past)
	expect("all is read", "")
	durable(streams.Durable("stats"))
	expect("a command is unread", streams.Durable("stats"))
}
