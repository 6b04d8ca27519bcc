package streams_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// An update with the settings of before a pause leaves it: JetStream ends a pause by a
// request of its own only.
func TestUpdateKeepsAPause(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	c, err := bus.Durable(ctx, streams.Plugin, jetstream.ConsumerConfig{Durable: "plugin-x", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 15})
	if err != nil {
		t.Fatal(err)
	}
	looked := c.CachedInfo().Config
	if _, err := js.PauseConsumer(ctx, streams.Plugin, "plugin-x", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	looked.MaxDeliver++
	if _, err := js.CreateOrUpdateConsumer(ctx, streams.Plugin, looked); err != nil {
		t.Fatal(err)
	}
	if info, err := c.Info(ctx); err != nil || !info.Paused || info.Config.MaxDeliver != 16 {
		t.Errorf("paused %t, %+v, %v", info.Paused, info.Config, err)
	}
}

// A durable that is as it should be is opened without an update, which could undo a pause
// that began since it was looked at; one that is not is updated.
func TestDurableIsUpdatedOnlyIfItDiffers(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, conn := streamstest.Context(t), bus.Conn()
	want := jetstream.ConsumerConfig{
		Durable: "plugin-x", FilterSubjects: []string{"plugin.x.command"}, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 5 * time.Second, MaxDeliver: 15, MaxAckPending: 1000,
	}
	open := func() (updated bool) {
		t.Helper()
		requests, err := conn.SubscribeSync("$JS.API.CONSUMER.CREATE.>")
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Flush(); err != nil {
			t.Fatal(err)
		}
		c, err := bus.Durable(ctx, streams.Plugin, want)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.CachedInfo().Config; got.MaxDeliver != want.MaxDeliver || strings.Join(streams.FilterSubjects(got), " ") != strings.Join(want.FilterSubjects, " ") {
			t.Errorf("it has %+v", got)
		}
		if err := conn.Flush(); err != nil {
			t.Fatal(err)
		}
		n, _, err := requests.Pending()
		if err != nil {
			t.Fatal(err)
		}
		_ = requests.Unsubscribe()
		return n > 0
	}
	if !open() || open() {
		t.Error("it is not created, or updated though nothing differs")
	}
	want.MaxDeliver++
	if !open() {
		t.Error("another max_deliver is not set")
	}
	want.FilterSubjects = append(want.FilterSubjects, "plugin.x.event.due")
	if !open() {
		t.Error("another filter is not set")
	}
}
