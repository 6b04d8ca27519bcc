package router_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

var textRegistration = router.Registration{Name: "texts", Version: "1.0.0", Commands: []router.Command{{Name: "cmd"}}}

// customs starts a registry with the plugins and custom commands of texts.
func customs(t *testing.T, commands []router.Command, own ...router.Registration) (*router.Registry, jetstream.KeyValue, jetstream.JetStream) {
	t.Helper()
	bus := streamstest.Bus(t, streamstest.Server(t))
	kv, err := router.OpenBucket(t.Context(), bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	registry := watchRegistry(t, bus.JetStream(), kv, append(own, textRegistration)...)
	if err := router.SetCustom(t.Context(), kv, "texts", commands); err != nil {
		t.Fatal(err)
	}
	awaitCustom(t, registry, len(commands))
	return registry, kv, bus.JetStream()
}

// awaitCustom waits until texts has a number of custom commands.
func awaitCustom(t *testing.T, registry *router.Registry, want int) {
	t.Helper()
	ctx := streamstest.Context(t)
	for have := -1; have != want; {
		have = 0
		for _, r := range registry.Plugins() {
			for _, c := range r.Commands {
				if c.Custom {
					have++
				}
			}
		}
		if err := retry.Sleep(ctx, time.Millisecond); err != nil {
			t.Fatalf("there are %d custom commands, want %d", have, want)
		}
	}
}

// say returns what becomes of a line: the event's subject and its command or message.
func say(t *testing.T, registry *router.Registry, channel, message string, rank int) string {
	t.Helper()
	r := router.Router{Registry: registry, Prefix: "!", IsBot: func(string, string) bool { return false }, Logger: slog.New(slog.DiscardHandler)}
	line, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: message, Channel: channel, Rank: rank})
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Handle(t.Context(), streams.Stored{Envelope: line, At: line.Timestamp})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		return ""
	}
	if c, err := event.As[event.Command](out[0]); err == nil {
		return event.PluginOf(out[0].Subject) + ": " + c.Command + " " + strings.Join(c.Args, "|") + " <" + c.RawMessage + ">"
	}
	if m, err := event.As[event.SendChat](out[0]); err == nil {
		return m.Message
	}
	return out[0].Subject
}

// A custom command is routed in its channels, and kept when the plugin registers again.
func TestCustomCommands(t *testing.T) {
	t.Parallel()
	two := 2
	registry, kv, js := customs(t, []router.Command{
		{Name: "rules", Channels: []string{"Main"}}, {Name: "rules", Channels: []string{"other"}, MinRank: &two}, {Name: "all"},
	})
	check := func(registry *router.Registry) {
		t.Helper()
		for _, c := range []struct {
			channel, line string
			rank          int
			want          string
		}{
			{"main", "!RULES a b", 0, "texts: rules a|b <!RULES a b>"},
			{"other", "!rules", 1, "plugin.texts.event.denied"},
			{"other", "!rules", 2, "texts: rules  <!rules>"},
			{"third", "!rules", 3, ""},
			{"third", "!all", 0, "texts: all  <!all>"},
		} {
			if got := say(t, registry, c.channel, c.line, c.rank); got != c.want {
				t.Errorf("%s in %s became %q, want %q", c.line, c.channel, got, c.want)
			}
		}
	}
	check(registry)
	if _, err := router.Register(t.Context(), kv, textRegistration); err != nil { // as when it starts again
		t.Fatal(err)
	}
	check(watchRegistry(t, js, kv, textRegistration))
	known, err := router.Known(t.Context(), js, nil, "third")
	if err != nil || len(known) != 1 || len(known[0].Commands) != 2 {
		t.Errorf("known in a third channel: %+v, %v", known, err)
	}
	if err := router.SetCustom(t.Context(), kv, "nobody", nil); event.CodeOf(err) != event.RecordNotFound {
		t.Errorf("custom commands of no plugin: %v", err)
	}
	if err := router.SetCustom(t.Context(), kv, "texts", nil); err != nil {
		t.Fatal(err)
	}
	awaitCustom(t, registry, 0)
	if got := say(t, registry, "main", "!rules", 0); got != "" {
		t.Errorf("a command that was removed became %q", got)
	}
}

// Whoever reads that a command was added may type it at once, however late the watcher tells of it.
func TestCustomCommandsAreRoutedAtOnce(t *testing.T) {
	t.Parallel()
	registry, kv, _ := customs(t, nil)
	var commands []router.Command
	for n := range 20 {
		name := "new" + string(rune('a'+n))
		commands = append(commands, router.Command{Name: name})
		if err := router.SetCustom(t.Context(), kv, "texts", commands); err != nil {
			t.Fatal(err)
		}
		if got := say(t, registry, "main", "!"+name, 0); got != "texts: "+name+"  <!"+name+">" {
			t.Errorf("!%s became %q", name, got)
		}
	}
}

// A plugin that brings the name of a custom command (S20) has it where the custom one is not.
func TestNameOfACustomCommand(t *testing.T) {
	t.Parallel()
	registry, kv, js := customs(t, []router.Command{{Name: "roll", Channels: []string{"main"}}})
	if _, err := router.Register(t.Context(), kv, rollRegistration); err != nil {
		t.Fatal(err)
	}
	awaitPlugin(t, registry, "dice-roller")
	for channel, want := range map[string]string{"main": "texts", "other": "dice-roller"} {
		if got := say(t, registry, channel, "!roll", 0); got != want+": roll  <!roll>" {
			t.Errorf("in %s it became %q, want %s", channel, got, want)
		}
		known, err := router.Known(t.Context(), js, nil, channel)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range known {
			for _, c := range r.Commands {
				if c.Name == "roll" && r.Name != want {
					t.Errorf("help says that %s has it in %s", r.Name, channel)
				}
			}
		}
	}
	if err := router.Prefer(t.Context(), kv, "dice-roller", "roll", "!"); err != nil {
		t.Fatal(err)
	}
	awaitCommand(t, registry, "roll", "dice-roller")
}

func awaitPlugin(t *testing.T, registry *router.Registry, name string) {
	t.Helper()
	ctx := streamstest.Context(t)
	for {
		for _, r := range registry.Plugins() {
			if r.Name == name {
				return
			}
		}
		if err := retry.Sleep(ctx, time.Millisecond); err != nil {
			t.Fatalf("%s never registered", name)
		}
	}
}

// A command that stands for another is that one, with what is typed after it; one that
// leads nowhere ends with one message (S19).
func TestCommandsThatStandForOthers(t *testing.T) {
	t.Parallel()
	two := 2
	roll := rollRegistration
	roll.Commands = append(roll.Commands, router.Command{Name: "stop", MinRank: &two})
	registry, _, _ := customs(t, []router.Command{
		{Name: "r", Runs: "roll 2d6"}, {Name: "rr", Runs: "r 3"}, {Name: "s", Runs: "stop"}, {Name: "gone", Runs: "nothing"},
		{Name: "a", Runs: "b x"}, {Name: "b", Runs: "a x"}, {Name: "self", Runs: "self"},
	}, roll)
	for line, want := range map[string]string{
		"!r":           "dice-roller: roll 2d6 <!roll 2d6>",
		"!R  'a b'  c": "dice-roller: roll 2d6|a b|c <!roll 2d6  'a b'  c>",
		"!rr d8":       "dice-roller: roll 2d6|3|d8 <!roll 2d6 3 d8>",
		"!s":           "plugin.dice-roller.event.denied",
		"!gone":        "❌ !gone stands for !nothing, which is no command",
		"!a":           "❌ !a stands for commands that stand for one another: that ends after 3",
		"!self !self":  "❌ !self stands for commands that stand for one another: that ends after 3",
		"!roll !r !r":  "dice-roller: roll !r|!r <!roll !r !r>",
	} {
		if got := say(t, registry, "main", line, 1); got != want {
			t.Errorf("%s became %q, want %q", line, got, want)
		}
	}
}

// A registry that has read all that is stored makes no unknown command wait.
func TestUnknownCommandAfterARestart(t *testing.T) {
	t.Parallel()
	_, kv, js := customs(t, []router.Command{{Name: "rules"}})
	var log strings.Builder
	registry := router.NewRegistry("!", slog.New(slog.NewTextHandler(&log, nil)))
	ready, ended := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _ = registry.Watch(ctx, js, kv, nil, func() { close(ready) }); close(ended) }()
	<-ready
	if got := say(t, registry, "main", "!nosuch", 0); strings.Contains(got, "nosuch  <") {
		t.Errorf("!nosuch became %q", got)
	}
	cancel()
	<-ended
	if log.Len() > 0 {
		t.Errorf("logged %s", log.String())
	}
}
