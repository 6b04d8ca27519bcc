package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// deed is what a plugin in the bot's process may do with a capability and may not without it.
type deed struct {
	capability string
	do         plugins.Handler
}

// read reads the events of a pattern.
func read(c *plugins.Context, patterns ...string) ([]event.Envelope, error) {
	for _, err := range c.Streams().Events(c, replay.Query{Filter: replay.Filter{Subjects: patterns}}) {
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func deeds() []deed {
	batch := map[string]any{"operations": []any{map[string]any{"op": "delete", "collection": "theirs", "id": 1}}}
	return []deed{
		{"chat", func(c *plugins.Context) ([]event.Envelope, error) { return c.Say("hello"), nil }},
		{"chat", func(c *plugins.Context) ([]event.Envelope, error) { return c.Emote("waves"), nil }},
		{"pm", func(c *plugins.Context) ([]event.Envelope, error) { return c.PM("bob", "hello"), nil }},
		{"pm", func(c *plugins.Context) ([]event.Envelope, error) { return nil, c.Publish(c.PM("bob", "hello")...) }},
		{"media.skip", func(c *plugins.Context) ([]event.Envelope, error) { return c.Skip().Events(), nil }},
		{"moderation.kick", func(c *plugins.Context) ([]event.Envelope, error) { return c.Kick("bob", "").Events(), nil }},
		{"storage", func(c *plugins.Context) ([]event.Envelope, error) {
			_, err := c.DB("of-"+c.Command.Command).Set("1", map[string]any{"n": 1})
			return nil, err
		}},
		{"storage:theirs", func(c *plugins.Context) ([]event.Envelope, error) {
			_, err := c.DB("theirs").Set("1", map[string]any{"n": 2})
			return nil, err
		}},
		{"storage:theirs:read", func(c *plugins.Context) ([]event.Envelope, error) {
			_, err := c.DB("theirs").Count(nil)
			return nil, err
		}},
		{"storage:theirs", func(c *plugins.Context) ([]event.Envelope, error) {
			_, err := c.Request(event.SubjectBatch, batch)
			return nil, err
		}},
		{"request:victim", func(c *plugins.Context) ([]event.Envelope, error) {
			_, err := c.Request("plugin.victim.request", struct{}{})
			return nil, err
		}},
		{"read:cytube.pm", func(c *plugins.Context) ([]event.Envelope, error) { return read(c, event.SubjectPM) }},
		{"read:public", func(c *plugins.Context) ([]event.Envelope, error) { return read(c, event.SubjectChat) }},
		{"read:>", func(c *plugins.Context) ([]event.Envelope, error) { return read(c) }},
	}
}

// held returns a plugin with one command of its name, which does a deed and then says so by an
// event.
func held(name string, d deed, capabilities []string) plugins.Plugin {
	return plugins.Plugin{
		Name: name, Version: "1.0.0", Capabilities: capabilities,
		Commands: []plugins.Command{{Name: name, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			out, err := d.do(c)
			if err != nil {
				return nil, err
			}
			return append(out, c.Emit("done", nil)...), nil
		}}},
	}
}

// but returns all capabilities of which none allows what another one does.
func but(capability string) (others []string) {
	kind, _, _ := strings.Cut(capability, ":")
	for _, c := range append(event.Abilities(), "chat", "pm", "storage", "request:other", "read:plugin.x.event", "storage:mine") {
		if c != capability && (kind != "storage" || !strings.HasPrefix(c, capability)) {
			others = append(others, c)
		}
	}
	return others
}

// A plugin in the bot's process that says what it does can do that, and nothing else: it fails with an
// error that names the grant, and nothing of it comes into the channel or the database.
func TestDeclaredCapabilitiesHold(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a plugin for each capability")
	victim := plugins.Plugin{
		Name: "victim", Version: "1.0.0", Requests: []plugins.Endpoint{{Handle: func(*plugins.Context) (any, error) { return struct{}{}, nil }}},
		Start: func(c *plugins.Context) error { _, err := c.DB("theirs").Set("1", map[string]any{"n": 1}); return err },
	}
	all := []plugins.Plugin{victim}
	for i, d := range deeds() {
		all = append(all, held(fmt.Sprintf("has%d", i), d, []string{d.capability}), held(fmt.Sprintf("lacks%d", i), d, but(d.capability)))
	}
	channel := plugintest.Run(t, all...)
	for i, d := range deeds() {
		has, lacks := fmt.Sprintf("has%d", i), fmt.Sprintf("lacks%d", i)
		channel.Type("alice", 3, "!"+has)
		if channel.Settle(has); len(channel.Stored("plugin."+has+".event.done")) != 1 {
			t.Errorf("%d, %s: not done with it", i, d.capability)
		}
		before := len(channel.Stored("cytube.send.*.>"))
		channel.Type("alice", 3, "!"+lacks)
		channel.Settle(lacks)
		var told string
		for _, s := range append(channel.Stored("plugin."+lacks+".event.dead_letter"), channel.Stored(event.AllSpeech)...) {
			told += string(s.Data)
		}
		if len(channel.Stored("plugin."+lacks+".event.done")) > 0 || !strings.Contains(told, "rosey plugin grant "+lacks+" ") {
			t.Errorf("%d, %s: done without it, with %q; or not told to grant it: %s", i, d.capability, but(d.capability), told)
		}
		if after := len(channel.Stored("cytube.send.*.>")); after != before {
			t.Errorf("%d, %s: something was asked of the channel without it", i, d.capability)
		}
	}
}

// The start of a plugin that declares capabilities logs what it may not read; its own commands,
// events and the outcomes of its sends it may always.
func TestDeclaredCapabilitiesOfReading(t *testing.T) {
	t.Parallel()
	nothing := func(*plugins.Context) ([]event.Envelope, error) { return nil, nil }
	reads := func(subject string, may ...string) plugins.Plugin {
		return plugins.Plugin{
			Name: "reader", Version: "1.0.0", Capabilities: append([]string{"chat"}, may...),
			Events:   []plugins.Subscription{{Subject: subject, Handle: nothing}, {Subject: "plugin.reader.event.own", Handle: nothing}},
			Outcomes: func(*plugins.Context, event.Delivery) ([]event.Envelope, error) { return nil, nil },
		}
	}
	channel := plugintest.Run(t)
	kv, err := router.OpenBucket(t.Context(), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		plugin plugins.Plugin
		denied string
	}{
		{reads("cytube.chat"), "rosey plugin grant reader read:cytube.chat"},
		{reads("cytube.chat", "read:chat"), ""},
		{reads("cytube.chat", "read:public"), ""},
		{reads("cytube.pm", "read:public"), "rosey plugin grant reader read:cytube.pm"},
		{reads("plugin.reader.command"), ""},
		{reads("plugin.trivia.event.game_end", "read:plugin.trivia.event.>"), ""},
	} {
		err := startOnce(t, channel, kv, c.plugin)
		if (err == nil) != (c.denied == "") || err != nil && !strings.Contains(err.Error(), c.denied) {
			t.Errorf("%q with %q: %v, want %q", c.plugin.Events[0].Subject, c.plugin.Capabilities, err, c.denied)
		}
	}
}

// What is revoked while a plugin runs is gone once it has started over, and comes back with a grant.
func TestRevokeWhileItRuns(t *testing.T) {
	t.Parallel()
	p := plugin(hello)
	p.Capabilities = []string{"chat"}
	channel := plugintest.Run(t, p)
	ctx := streamstest.Context(t)
	kv, err := router.OpenBucket(ctx, channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := channel.Say("alice", "!x"); got != "hello" {
		t.Fatalf("said %q", got)
	}
	if had, err := router.RevokeCapabilities(ctx, kv, p.Name, "chat"); err != nil || len(had) != 1 {
		t.Fatalf("revoked %q, %v", had, err)
	}
	channel.Restart(p.Name)
	channel.Type("alice", 1, "!x")
	channel.Settle(p.Name)
	if letter := deadLetter(t, channel); !strings.Contains(letter.Error, "rosey plugin grant x chat lets it") {
		t.Errorf("the command failed with %q", letter.Error)
	}
	if err := router.GrantCapabilities(ctx, kv, p.Name, "chat"); err != nil {
		t.Fatal(err)
	}
	channel.Restart(p.Name)
	channel.Type("alice", 1, "!x")
	channel.Settle(p.Name)
	if said := channel.Said(); len(said) != 2 || said[1] != "hello" {
		t.Errorf("said %q", said)
	}
}

// startOnce runs a plugin in a host of its own until its first start, and returns why that failed.
func startOnce(t *testing.T, channel *plugintest.Channel, kv jetstream.KeyValue, p plugins.Plugin) error {
	t.Helper()
	started := make(chan error, 100)
	h := host.Host{Bus: channel.Bus, Bucket: kv, Logger: slog.New(slog.DiscardHandler), OnStart: func(err error) { started <- err }}
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx, p) }()
	err := <-started
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return err
}
