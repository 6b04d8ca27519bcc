package router_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

const claimOfRoll = `{"name":"0evil","version":"1.0.0","commands":["roll"]}`

// A command belongs to the plugin that had it first, whatever the names, also after a
// restart, until the operator prefers another or the owner is removed.
func TestCommandBelongsToWhoHadItFirst(t *testing.T) {
	t.Parallel()
	s := streamstest.Server(t)
	bus := streamstest.Bus(t, s)
	ctx := streamstest.Context(t)
	kv, err := router.OpenBucket(ctx, bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	registry := watchRegistry(t, bus.JetStream(), kv, rollRegistration)
	expectOwner(t, registry, "dice-roller")

	register(t, kv, map[string]string{"0evil": claimOfRoll, "other": `{"name":"other","version":"1.0.0","commands":["other"]}`})
	awaitCommand(t, registry, "other", "other")
	expectOwner(t, registry, "dice-roller")
	expectOwner(t, watchRegistry(t, bus.JetStream(), kv), "dice-roller")

	if err := router.Prefer(ctx, kv, "0evil", "!roll", "!"); err != nil {
		t.Fatal(err)
	}
	awaitCommand(t, registry, "roll", "0evil")
	if err := router.Prefer(ctx, kv, "other", "roll", "!"); event.CodeOf(err) != event.RecordNotFound {
		t.Errorf("a plugin without the command is preferred: %v", err)
	}
	if err := kv.Delete(ctx, "0evil"); err != nil {
		t.Fatal(err)
	}
	awaitCommand(t, registry, "roll", "dice-roller")
	if entries, err := router.List(ctx, bus.JetStream()); err != nil || len(entries) != 2 {
		t.Errorf("%d registrations, %v, want 2", len(entries), err)
	}
}

var rollRegistration = router.Registration{Name: "dice-roller", Version: "1.0.0", Commands: []router.Command{{Name: "roll"}}}

// watchRegistry returns a registry that is ready.
func watchRegistry(t *testing.T, js jetstream.JetStream, kv jetstream.KeyValue, own ...router.Registration) *router.Registry {
	t.Helper()
	registry := router.NewRegistry("!", slog.New(slog.DiscardHandler))
	ready := make(chan struct{})
	go func() { _ = registry.Watch(t.Context(), js, kv, own, func() { close(ready) }) }()
	<-ready
	return registry
}

func expectOwner(t *testing.T, registry *router.Registry, want string) {
	t.Helper()
	if got := ownerOf(t, registry, "roll"); got != want {
		t.Errorf("roll belongs to %q, want %q", got, want)
	}
}

func awaitCommand(t *testing.T, registry *router.Registry, command, want string) {
	t.Helper()
	ctx := streamstest.Context(t)
	for ownerOf(t, registry, command) != want {
		if err := retry.Sleep(ctx, time.Millisecond); err != nil {
			t.Fatalf("%s never belongs to %s", command, want)
		}
	}
}

// ownerOf returns the plugin that a command is routed to.
func ownerOf(t *testing.T, registry *router.Registry, command string) string {
	t.Helper()
	r := router.Router{Registry: registry, Prefix: "!", IsBot: func(string, string) bool { return false }, Logger: slog.New(slog.DiscardHandler)}
	line, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: "!" + command, Channel: "main"})
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Handle(t.Context(), streams.Stored{Envelope: line, At: line.Timestamp})
	if err != nil || len(out) == 0 {
		return ""
	}
	return event.PluginOf(out[0].Subject)
}
