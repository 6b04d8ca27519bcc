package streams_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What fills lost sequences is not read as an event, neither of the past nor live.
func TestFillersAreNotRead(t *testing.T) {
	t.Parallel()
	for stream, c := range map[string]struct {
		pattern, subject string
		payload          any
	}{
		streams.Cytube: {event.AllCytube, event.SubjectChat, event.Chat{User: "alice", Message: "hi", Channel: "main"}},
		streams.Plugin: {event.AllPlugin, event.EventSubject("x", "y"), map[string]any{}},
	} {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			warned := make(chan string, 10)
			bus := streamstest.Bus(t, streamstest.Server(t), streams.WithLogger(slog.New(slog.NewTextHandler(chanWriter(warned), nil))))
			live := make(chan streams.Stored, 10)
			sub, err := bus.Subscribe(t.Context(), c.pattern, func(_ context.Context, s streams.Stored) { live <- s })
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Stop()
			streamstest.LeaveFiller(t, bus, stream)
			after := streamstest.Publish(t, bus, c.subject, c.payload)
			select {
			case got := <-live:
				if got.Ref != after.Ref {
					t.Errorf("%s on %s came live, want %s", got.Ref, got.Subject, after.Ref)
				}
			case <-streamstest.Context(t).Done():
				t.Error("the event after the filler does not come")
			}
			if past := streamstest.Stored(t, bus, stream); len(past) != 1 || past[0].Ref != after.Ref {
				t.Errorf("the past is %+v, want %s only", past, after.Ref)
			}
			if len(warned) > 0 {
				t.Errorf("logged %s", <-warned)
			}
		})
	}
}

// An event is no filler, whatever its subject or body.
func TestIsFiller(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		subject, body string
		filler        bool
	}{
		"a filler":                {"cytube._passed_", "", true},
		"a filler of PLUGIN":      {"plugin._passed_.event._passed_", "", true},
		"with a body":             {"cytube._passed_", "{}", false},
		"an empty event":          {"cytube.chat", "", false},
		"a plugin's own":          {"plugin.x.event._passed_", "", false},
		"a stream without repeat": {"database._passed_", "", false},
	} {
		if got := streams.IsFiller(c.subject, []byte(c.body)); got != c.filler {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// chanWriter sends what is written.
type chanWriter chan string

func (w chanWriter) Write(p []byte) (int, error) { w <- string(p); return len(p), nil }
