package streams_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A cancellation is as old as the event that causes it, however late it comes.
func TestCancelTimerLeavesWhatALaterEventSet(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	store := func(subject string, payload any) event.Ref { return streamstest.Publish(t, bus, subject, payload).Ref }
	line := event.Chat{User: "alice", Message: "hi", Channel: "main"}
	note := event.EventSubject("t", "note")
	earlier, earlierLine := store(note, map[string]any{}), store(event.SubjectChat, line)
	canceller := store(note, map[string]any{})
	later, laterLine := store(note, map[string]any{}), store(event.SubjectChat, line)
	none, all := event.Ref{}, uint64(math.MaxUint64)
	for name, c := range map[string]struct {
		set, cancel event.Ref // the causes
		own         uint64
		kept        bool
	}{
		"an earlier one's":                  {earlier, canceller, 0, false},
		"a later one's":                     {later, canceller, all, true},
		"its own":                           {canceller, canceller, all, false},
		"its own, to be kept":               {canceller, canceller, 0, true},
		"an earlier one's of another":       {earlierLine, canceller, 0, false},
		"a later one's of another":          {laterLine, canceller, all, true},
		"one without a cause, set later":    {none, canceller, all, true},
		"one whose cause is gone":           {event.Ref{Stream: streams.Platform, Seq: 7}, canceller, all, true},
		"any, of an event that is gone":     {later, event.Ref{Stream: streams.Platform, Seq: 7}, all, false},
		"any, outside of an event":          {later, none, 0, false},
		"without a cause, outside of event": {none, none, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			within := func(cause event.Ref) context.Context {
				if cause == none {
					return t.Context()
				}
				return propagation.WithCause(t.Context(), "corr", cause)
			}
			rung, err := event.New(event.EventSubject("t", "rung"), map[string]any{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := bus.Publish(within(c.set), rung, streams.At(time.Now().Add(time.Hour), "bell")); err != nil {
				t.Fatal(err)
			}
			if err := bus.CancelTimer(within(c.cancel), "t", "bell", c.own); err != nil {
				t.Fatal(err)
			}
			if n := len(streamstest.Stored(t, bus, streams.Timer)); (n == 1) != c.kept || n > 1 {
				t.Errorf("%d timers are left, kept should be %v", n, c.kept)
			}
			if err := bus.CancelTimer(t.Context(), "t", "bell", 0); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// An event whose message ID is no longer known, and which is handled again or late, does
// not take the place of what a later event set.
func TestSetTimerLeavesWhatALaterEventSet(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	set := func(seq uint64, text, id string) {
		t.Helper()
		e, err := event.New(event.EventSubject("t", "rung"), map[string]any{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		ctx := propagation.WithCause(t.Context(), "corr", event.Ref{Stream: streams.Plugin, Seq: seq})
		if _, err := bus.Publish(ctx, e, streams.At(time.Now().Add(time.Hour), "bell"), streams.WithMsgID(id)); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		seq      uint64
		text, id string
		want     string
	}{
		{5, "first", "a", "first"},
		{7, "second", "b", "second"},
		{5, "first", "a", "second"},         // a repeat that is known
		{5, "first", "forgotten", "second"}, // one that is not
		{7, "again", "c", "again"},
		{8, "third", "d", "third"},
	} {
		set(step.seq, step.text, step.id)
		left := streamstest.Stored(t, bus, streams.Timer)
		if len(left) != 1 || !strings.Contains(string(left[0].Data), step.want) {
			t.Errorf("after %+v: %v", step, left)
		}
	}
}

// The first timer of a store purges nothing: servers before 2.15 take the sequence that
// comes first for no limit, and would purge the timer itself.
func TestFirstTimerPurgesNothing(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	purges, err := bus.Conn().SubscribeSync("$JS.API.STREAM.PURGE." + streams.Timer)
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.New("plugin.quiz.event.due", map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Publish(ctx, e, streams.At(time.Now().Add(time.Hour), "tea")); err != nil {
		t.Fatal(err)
	}
	if err := bus.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := purges.Pending(); n != 0 || err != nil {
		t.Errorf("%d purges, %v", n, err)
	}
}
