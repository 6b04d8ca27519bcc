package router_test

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A command of one of the process's own plugins finds it from the first line on,
// also where the store is new or knows another version.
func TestWatchKnowsItsOwn(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	kv, err := router.OpenBucket(ctx, bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []router.Registration{{Name: "trivia", Version: "0.9.0"}, {Name: "elsewhere", Version: "1.0.0"}} {
		if _, err := router.Register(ctx, kv, r); err != nil {
			t.Fatal(err)
		}
	}
	own := []router.Registration{
		{Name: "trivia", Version: "1.0.0", Commands: []router.Command{{Name: "trivia"}}},
		{Name: "dice-roller", Version: "1.0.0", Commands: []router.Command{{Name: "roll"}}},
	}
	registry := router.NewRegistry("!", slog.New(slog.DiscardHandler))
	ready, ended := make(chan []router.Registration, 1), make(chan error, 1)
	go func() { ended <- registry.Watch(ctx, bus.JetStream(), kv, own, func() { ready <- registry.Plugins() }) }()
	t.Cleanup(func() { cancel(); <-ended })
	select {
	case known := <-ready:
		if len(known) != 3 || known[0].Name != "dice-roller" || known[2].Version != "1.0.0" {
			t.Errorf("once it is ready it knows %+v", known)
		}
	case <-ctx.Done():
		t.Fatal("it never was ready")
	}
}

// A bucket that was deleted and made again gets all registrations that are known, of other
// processes too, and is watched anew.
func TestWatchOfABucketThatWasDeleted(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	kv, err := router.OpenBucket(ctx, bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := router.Register(ctx, kv, router.Registration{Name: "elsewhere", Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	registry := router.NewRegistry("!", slog.New(slog.DiscardHandler))
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- registry.Watch(ctx, bus.JetStream(), kv, nil, func() { close(ready) }) }()
	t.Cleanup(func() { cancel(); <-ended })
	<-ready
	if err := bus.JetStream().DeleteKeyValue(ctx, router.Bucket); err != nil {
		t.Fatal(err)
	}
	again := func(ctx context.Context) error { _, err := router.OpenBucket(ctx, bus.JetStream(), 1); return err }
	if err := retry.Do(ctx, retry.Every(20*time.Millisecond), again); err != nil {
		t.Fatal(err)
	}
	if err := registry.Recreated(ctx, kv); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(ctx, "elsewhere"); err != nil {
		t.Error(err)
	}
	if _, err := router.Register(ctx, kv, router.Registration{Name: "later", Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	for len(registry.Plugins()) < 2 && ctx.Err() == nil {
		runtime.Gosched()
	}
	if known := registry.Plugins(); len(known) != 2 {
		t.Errorf("it knows %+v", known)
	}
}

// What is done because a plugin registers is done before its commands are routed.
func TestOnRegisterComesBeforeCommands(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	kv, err := router.OpenBucket(t.Context(), bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	registry := router.NewRegistry("!", slog.New(slog.DiscardHandler))
	before := make(chan string, 1)
	registry.OnRegister = func(_ context.Context, plugin string, _ []byte) {
		if plugin == "greeter" {
			before <- ownerOf(t, registry, "hello")
		}
	}
	go func() { _ = registry.Watch(t.Context(), bus.JetStream(), kv, nil, func() {}) }()
	register(t, kv, map[string]string{"greeter": `{"name":"greeter","version":"1.0.0","commands":["hello"]}`})
	if owner := <-before; owner != "" {
		t.Errorf("!hello is routed to %q already", owner)
	}
	awaitCommand(t, registry, "hello", "greeter")
}
