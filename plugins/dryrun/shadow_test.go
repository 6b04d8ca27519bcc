package dryrun_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A plugin that still reads the past has records that nothing can go on from: a shadow of it is
// refused, until no more is left than is handled at once.
func TestShadowOfAPluginThatReadsThePast(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	for range plugins.PastBatch + 1 {
		streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "hello", Channel: "movies"})
	}
	past, err := bus.JetStream().CreateConsumer(t.Context(), streams.Cytube, jetstream.ConsumerConfig{Durable: streams.PastDurable("seen"), AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	shadow := func() error {
		return dryrun.Shadow(t.Context(), bus.JetStream(), dryrun.ShadowOptions{Plugin: "seen", Command: process.Command{Plugin: "seen", Args: []string{"false"}}}, nil)
	}
	if err := shadow(); event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), "101 events are left") {
		t.Errorf("with 101 events left: %v", err)
	}
	msg, err := past.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := msg.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Now it gets as far as the program, which ends by itself.
	if err := shadow(); err == nil || !strings.Contains(err.Error(), "does not read its commands") {
		t.Errorf("with 100 events left: %v", err)
	}
}
