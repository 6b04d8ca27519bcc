package streams_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A timer that would age out of the stream before it fires is refused, by what
// the stream's age really is.
func TestTimerTooFarAhead(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	set := func(in time.Duration) error {
		t.Helper()
		e, err := event.New("plugin.t.event.due", map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = bus.Publish(ctx, e, streams.At(time.Now().Add(in), "x"))
		return err
	}
	limit := func(age time.Duration) {
		t.Helper()
		if err := streams.Open(ctx, bus.JetStream(), streams.Options{Limits: map[string]streams.Limits{streams.Timer: {MaxAge: age}}}); err != nil {
			t.Fatal(err)
		}
	}
	const day = 24 * time.Hour
	if err := set(89 * day); err != nil {
		t.Errorf("89 days: %v", err)
	}
	if err := set(91 * day); event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), "2160h") {
		t.Errorf("91 days: %v", err)
	}
	limit(2 * day)
	if err := set(3 * day); event.CodeOf(err) != event.InvalidInput {
		t.Errorf("3 days where 2 are kept: %v", err)
	}
}

// A timer is kept by JetStream, fires once in the conversation that set it, is
// replaced by one of the same name, and can be cancelled.
func TestTimers(t *testing.T) {
	streamstest.Slow(t, "waits for timers")
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := propagation.WithCause(streamstest.Context(t), "corr", event.Ref{Stream: "PLUGIN", Seq: 9})
	fired := make(chan streams.Stored, 8)
	sub, err := bus.Subscribe(ctx, "plugin.t.event.>", func(_ context.Context, s streams.Stored) { fired <- s })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Stop()
	set := func(timer, text string, in time.Duration) {
		t.Helper()
		e, err := event.New("plugin.t.event.due", map[string]any{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bus.Publish(ctx, e, streams.At(time.Now().Add(in), timer)); err != nil {
			t.Fatal(err)
		}
	}
	set("cancelled", "never", time.Hour)
	set("replaced", "never", time.Hour)
	set("replaced", "second", time.Second)
	set("last", "last", 2*time.Second)
	if err := bus.CancelTimer(ctx, "t", "cancelled", math.MaxUint64); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"second", "last"} {
		select {
		case s := <-fired:
			cause, _ := s.Causation()
			if string(s.Data) != `{"text":"`+want+`"}` || s.Subject != "plugin.t.event.due" || s.CorrelationID != "corr" || cause.Seq != 9 {
				t.Errorf("fired %s on %s, correlation %s, cause %s; want text %s", s.Data, s.Subject, s.CorrelationID, cause, want)
			}
		case <-ctx.Done():
			t.Fatal("a timer did not fire")
		}
	}
	stream, err := bus.JetStream().Stream(ctx, streams.Plugin)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 2 {
		t.Errorf("the stream holds %d messages, want the 2 that fired", n)
	}
	timers, err := bus.JetStream().Stream(ctx, streams.Timer)
	if err != nil {
		t.Fatal(err)
	}
	info, err := timers.Info(ctx, jetstream.WithSubjectFilter(event.AllSchedules))
	if err != nil {
		t.Fatal(err)
	}
	if waiting := info.State.Subjects; len(waiting) > 0 {
		t.Errorf("timers that were replaced or cancelled still wait: %v", waiting)
	}
}

// A timer that is set again in the moment in which it fires fires again.
func TestTimerSetAgainWhileItFires(t *testing.T) {
	streamstest.Slow(t, "waits for timers")
	t.Parallel()
	const timers = 500
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	fired := make(chan string, 2*timers)
	sub, err := bus.Subscribe(ctx, "plugin.t.event.>", func(_ context.Context, s streams.Stored) { fired <- string(s.Data) })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Stop()
	set := func(n int, again bool, at time.Time) {
		t.Helper()
		e, err := event.New("plugin.t.event.due", map[string]any{"again": again, "n": n})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bus.Publish(ctx, e, streams.At(at, fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
	}
	soon := time.Now().Add(2 * time.Second)
	for n := range timers {
		set(n, false, soon)
	}
	// Some of them fire while they are set again.
	select {
	case <-fired:
	case <-ctx.Done():
		t.Fatal("no timer fired")
	}
	var setting sync.WaitGroup
	for n := range timers {
		setting.Go(func() { set(timers-1-n, true, time.Now()) })
	}
	setting.Wait()
	for again := map[string]bool{}; len(again) < timers; {
		select {
		case data := <-fired:
			if strings.Contains(data, `"again":true`) {
				again[data] = true
			}
		case <-ctx.Done():
			t.Fatalf("%d timers of %d fired again", len(again), timers)
		}
	}
}
