package router_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What nobody registered waits only while a plugin has a durable consumer and the bucket
// has no trace of it; a process that stops leaves it to the next one.
func TestUnknownCommandsWaitForMissingRegistrations(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		durables []string
		waits    bool
	}{
		"no plugin":             {durables: []string{"router", "cytube-sender"}},
		"registered":            {durables: []string{"plugin-dice-roller"}},
		"registered badly":      {durables: []string{"plugin-broken"}},
		"registration deleted":  {durables: []string{"plugin-removed"}},
		"no registration":       {durables: []string{"plugin-dice-roller", "plugin-greeter"}, waits: true},
		"one of two registered": {durables: []string{"plugin-greeter", "plugin-late"}, waits: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			kv, err := router.OpenBucket(t.Context(), bus.JetStream(), 1)
			if err != nil {
				t.Fatal(err)
			}
			register(t, kv, map[string]string{"broken": "{", "removed": claimOfRoll})
			if err := kv.Delete(t.Context(), "removed"); err != nil {
				t.Fatal(err)
			}
			registry := router.NewRegistry("!", slog.New(slog.DiscardHandler))
			registry.Durables = func(context.Context) ([]string, error) { return tt.durables, nil }
			ready := make(chan struct{})
			go func() {
				_ = registry.Watch(t.Context(), bus.JetStream(), kv, []router.Registration{rollRegistration}, func() { close(ready) })
			}()
			<-ready
			expectOwner(t, registry, "dice-roller")
			stopping := make(chan struct{})
			close(stopping)
			r := router.Router{Registry: registry, Prefix: "!", IsBot: func(string, string) bool { return false }, Stopping: stopping, Logger: slog.New(slog.DiscardHandler)}
			if _, err := r.Handle(t.Context(), typed(t, "!hello")); errors.Is(err, consumers.ErrStopping) != tt.waits {
				t.Errorf("it returned %v", err)
			}
			r.Stopping = nil
			register(t, kv, map[string]string{
				"late": `{"name":"late","version":"1.0.0"}`, "greeter": `{"name":"greeter","version":"1.0.0","commands":["hello"]}`,
			})
			if tt.waits {
				if out, err := r.Handle(t.Context(), typed(t, "!hello")); err != nil || len(out) != 1 || out[0].Subject != event.CommandSubject("greeter") {
					t.Errorf("once greeter registered: %+v, %v", out, err)
				}
			}
		})
	}
}

// typed is a chat line that was just stored.
func typed(t *testing.T, message string) streams.Stored {
	t.Helper()
	line, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: message, Channel: "main"})
	if err != nil {
		t.Fatal(err)
	}
	return streams.Stored{Envelope: line, At: line.Timestamp}
}
