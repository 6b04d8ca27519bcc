package streams_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/msgid"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A store of version 0.1, where PLUGIN kept the timers, goes on being used: what
// waited in it comes, and so does what is set from then on.
func TestTimersOfOldStores(t *testing.T) {
	t.Parallel()
	nc := streamstest.Connect(t, streamstest.Server(t))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := streamstest.Context(t)
	makeOldStream(ctx, t, js)
	bus := streams.NewBus(nc, js)
	fired := make(chan streams.Stored, 10)
	sub, err := bus.Subscribe(ctx, "plugin.t.event.>", func(_ context.Context, s streams.Stored) { fired <- s })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Stop()
	setOldTimer(ctx, t, js)
	for range 2 { // it is an old store at each start
		openWithoutDifferences(ctx, t, js)
	}
	defer forward(ctx, t, js)()
	setTimer(ctx, t, bus, "new")
	wantOldAndNew(ctx, t, fired)
}

// A timer of an old store fires once though its consumer is lost, and the server has
// forgotten the message IDs.
func TestTimersOfOldStoresFireOnce(t *testing.T) {
	t.Parallel()
	nc := streamstest.Connect(t, streamstest.Server(t))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := streamstest.Context(t)
	makeOldStream(ctx, t, js)
	openWithoutDifferences(ctx, t, js)
	bus := streams.NewBus(nc, js)
	stop := forward(ctx, t, js)
	setTimer(ctx, t, bus, "first")
	awaitRung(ctx, t, bus, 1)
	stop()
	if err := js.DeleteConsumer(ctx, streams.Timer, "timer-carrier"); err != nil {
		t.Fatal(err)
	}
	streamstest.ForgetMessageIDs(t, js, streams.Plugin)
	streamstest.AwaitForgotten(ctx, t, bus, "plugin.t.event.probe", map[string]any{})
	setTimer(ctx, t, bus, "second")
	defer forward(ctx, t, js)()
	rung := awaitRung(ctx, t, bus, 2)
	if !strings.Contains(string(rung[0].Data), "first") || !strings.Contains(string(rung[1].Data), "second") {
		t.Errorf("the timers rang as %s, %s", rung[0].Data, rung[1].Data)
	}
}

// forward runs two forwarders, as two bots do, until stop is called.
func forward(ctx context.Context, t *testing.T, js jetstream.JetStream) (stop func()) {
	running, cancel := context.WithCancel(ctx)
	var forwarders sync.WaitGroup
	for range 2 {
		forwarders.Go(func() {
			if err := streams.NewTimerForwarder(js, msgid.Signer{}, slog.New(slog.DiscardHandler)).Run(running); err != context.Canceled {
				t.Error(err)
			}
		})
	}
	return func() { cancel(); forwarders.Wait() }
}

// setTimer sets a timer of its own that is due in a second.
func setTimer(ctx context.Context, t *testing.T, bus *streams.Bus, name string) {
	t.Helper()
	e, err := event.New("plugin.t.event.rang", map[string]any{"timer": name})
	if err != nil {
		t.Fatal(err)
	}
	e.CorrelationID = "tea"
	if _, err := bus.Publish(ctx, e, streams.At(time.Now().Add(time.Second), name)); err != nil {
		t.Fatal(err)
	}
}

// awaitRung waits until timers have fired, and returns their events.
func awaitRung(ctx context.Context, t *testing.T, bus *streams.Bus, n int) []streams.Stored {
	t.Helper()
	for {
		rung := slices.DeleteFunc(streamstest.Stored(t, bus, streams.Plugin), func(s streams.Stored) bool { return s.Subject != "plugin.t.event.rang" })
		if len(rung) >= n {
			return rung
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%d timers fired, want %d", len(rung), n)
		}
	}
}

// makeOldStream makes a stream PLUGIN as version 0.1 did.
func makeOldStream(ctx context.Context, t *testing.T, js jetstream.JetStream) {
	t.Helper()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: streams.Plugin, Subjects: []string{"plugin.*.command", "plugin.*.event", "plugin.*.event.>", "plugin.*.schedule.*"},
		MaxAge: 90 * 24 * time.Hour, Duplicates: streams.DuplicateWindow, AllowDirect: true, AllowMsgTTL: true, AllowMsgSchedules: true,
	}); err != nil {
		t.Fatal(err)
	}
}

func setOldTimer(ctx context.Context, t *testing.T, js jetstream.JetStream) {
	t.Helper()
	old := &nats.Msg{Subject: "plugin.t.schedule.old", Data: []byte(`{"timer":"old"}`)}
	if _, err := js.PublishMsg(ctx, old, jetstream.WithScheduleAt(time.Now().Add(2*time.Second)), jetstream.WithScheduleTarget("plugin.t.event.rang")); err != nil {
		t.Fatal(err)
	}
}

func openWithoutDifferences(ctx context.Context, t *testing.T, js jetstream.JetStream) {
	t.Helper()
	if err := streams.Open(ctx, js, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, spec := range streams.Specs() {
		s, err := js.Stream(ctx, spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := spec.Differences(s.CachedInfo().Config, streams.Options{}); len(found) > 0 || err != nil {
			t.Errorf("%s differs after it was opened: %v, %v", spec.Name, found, err)
		}
	}
}

// wantOldAndNew waits until both timers have fired, each once.
func wantOldAndNew(ctx context.Context, t *testing.T, fired <-chan streams.Stored) {
	t.Helper()
	got := map[string]bool{}
	for len(got) < 2 {
		select {
		case s := <-fired:
			which := "old"
			if strings.Contains(string(s.Data), "new") {
				which = "new"
				if s.CorrelationID != "tea" || s.Meta(event.MetaSource) != "rosey" || s.Header.Get(propagation.HeaderCorrelation) != "tea" {
					t.Errorf("the timer came as %+v", s)
				}
			}
			if got[which] {
				t.Errorf("the %s timer came twice", which)
			}
			got[which] = true
		case <-ctx.Done():
			t.Fatalf("of the timers came %v", got)
		}
	}
}
