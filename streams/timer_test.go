package streams_test

import (
	"context"
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
	none := event.Ref{}
	for name, c := range map[string]struct {
		set, cancel event.Ref // the causes
		keepOwn     bool
		kept        bool
	}{
		"an earlier one's":                  {earlier, canceller, true, false},
		"a later one's":                     {later, canceller, false, true},
		"its own":                           {canceller, canceller, false, false},
		"its own, to be kept":               {canceller, canceller, true, true},
		"an earlier one's of another":       {earlierLine, canceller, true, false},
		"a later one's of another":          {laterLine, canceller, false, true},
		"one without a cause, set later":    {none, canceller, false, true},
		"one whose cause is gone":           {event.Ref{Stream: streams.Platform, Seq: 7}, canceller, false, true},
		"any, of an event that is gone":     {later, event.Ref{Stream: streams.Platform, Seq: 7}, false, false},
		"any, outside of an event":          {later, none, true, false},
		"without a cause, outside of event": {none, none, true, false},
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
			if err := bus.CancelTimer(within(c.cancel), "t", "bell", c.keepOwn); err != nil {
				t.Fatal(err)
			}
			if n := len(streamstest.Stored(t, bus, streams.Timer)); (n == 1) != c.kept || n > 1 {
				t.Errorf("%d timers are left, kept should be %v", n, c.kept)
			}
			if err := bus.CancelTimer(t.Context(), "t", "bell", false); err != nil {
				t.Fatal(err)
			}
		})
	}
}
