package cmd

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// The registration of a plugin in another process is lost while no bot runs. A command for
// it waits until the plugin registers again, while other commands are answered.
func TestCommandWaitsForAMissingRegistration(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	p := start(t, "run", "--local", "--store", store, "--plugins", "dice-roller")
	p.say("hi")
	p.expect("^operator: hi")
	if _, err := busOf(t, store).JetStream().CreateConsumer(t.Context(), streams.Plugin, jetstream.ConsumerConfig{
		Durable: streams.Durable("greeter"), FilterSubject: event.CommandSubject("greeter"), AckPolicy: jetstream.AckExplicitPolicy,
	}); err != nil {
		t.Fatal(err)
	}
	if code := p.interrupt(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, p.stderr.String())
	}

	p = start(t, "run", "--local", "--store", store, "--plugins", "dice-roller")
	p.say("!hello")
	p.say("!roll 2d6")
	p.expect("^rosey: .*2d6")
	if _, lines := diagnose(t, "--store", store); !has(lines, "plugins warn: the registration of greeter is missing") {
		t.Errorf("doctor says %q", lines)
	}
	bus := busOf(t, store)
	kv, err := router.OpenBucket(t.Context(), bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := router.RegisterMissing(t.Context(), kv, router.Registration{Name: "greeter", Version: "1.0.0", Commands: []router.Command{{Name: "hello"}}}); err != nil {
		t.Fatal(err)
	}
	err = until(soon(t), func() bool {
		for _, s := range streamstest.Stored(t, bus, streams.Plugin) {
			if s.Subject == event.CommandSubject("greeter") {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Errorf("the command is not routed: %v\n%s", err, p.stderr.String())
	}
	if code := p.interrupt(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr.String())
	}
}
