package router_test

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// A fixture runs a router on a fresh server.
type fixture struct {
	*testing.T
	bus      *streams.Bus
	outcomes chan consumers.Outcome
}

// register stores registrations as any process in any language does: by one put.
func register(t *testing.T, kv jetstream.KeyValue, registrations map[string]string) {
	t.Helper()
	for name, value := range registrations {
		if _, err := kv.PutString(t.Context(), name, value); err != nil {
			t.Fatal(err)
		}
	}
}

func run(t *testing.T, registrations map[string]string) *fixture {
	return runWith(t, registrations, nil)
}

// runWith is run with a change of the router.
func runWith(t *testing.T, registrations map[string]string, change func(*router.Router, jetstream.JetStream)) *fixture {
	t.Helper()
	f := &fixture{T: t, bus: streamstest.Bus(t, streamstest.Server(t)), outcomes: make(chan consumers.Outcome, 100)}
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	log := slog.New(slog.DiscardHandler)
	kv, err := router.OpenBucket(ctx, f.bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	register(t, kv, registrations)
	registry := router.NewRegistry("!", log)
	r := router.Router{Registry: registry, Prefix: "!", Prefixes: map[string]string{"other": "?"}, IsBot: func(_, user string) bool { return user == "rosey" }, Logger: log}
	if change != nil {
		change(&r, f.bus.JetStream())
	}
	cfg := r.Config()
	cfg.Observe = func(o consumers.Outcome) { f.outcomes <- o }
	ready, ended := make(chan struct{}), make(chan error, 2)
	go func() { ended <- registry.Watch(ctx, f.bus.JetStream(), kv, nil, func() { close(ready) }) }()
	<-ready
	go func() { ended <- consumers.Run(ctx, f.bus, cfg, r.Handle) }()
	t.Cleanup(func() { cancel(); <-ended; <-ended })
	return f
}

// route publishes a chat line and returns the plugin events that it causes.
func (f *fixture) route(chat event.Chat, meta map[string]any) []streams.Stored {
	f.Helper()
	before := len(streamstest.Stored(f, f.bus, streams.Plugin))
	chat.Channel = cmp.Or(chat.Channel, "main")
	e, err := event.New(event.SubjectChat, chat)
	if err != nil {
		f.Fatal(err)
	}
	e.Metadata = meta
	if _, err := f.bus.Publish(f.Context(), e); err != nil {
		f.Fatal(err)
	}
	if o := <-f.outcomes; o.Err != nil {
		f.Errorf("outcome %+v", o)
	}
	return streamstest.Stored(f, f.bus, streams.Plugin)[before:]
}

// A routing is a chat line and the one event that it causes, if any.
type routing struct {
	name    string
	chat    event.Chat
	meta    map[string]any
	subject string // "" for none
	data    string
}

func routings(now time.Time) []routing {
	ms := now.UnixMilli()
	return []routing{
		{name: "command", chat: event.Chat{User: "alice", Message: `!roll 2d6+3 "two words"`, Rank: 2},
			subject: "plugin.dice-roller.command",
			data:    `{"command":"roll","args":["2d6+3","two words"],"user":"alice","channel":"main","rank":2,"raw_message":"!roll 2d6+3 \"two words\""}`},
		{name: "any case, no arguments", chat: event.Chat{User: "bob", Message: "!DICE"},
			subject: "plugin.dice-roller.command",
			data:    `{"command":"dice","args":[],"user":"bob","channel":"main","rank":0,"raw_message":"!DICE"}`},
		{name: "enough rank", chat: event.Chat{User: "mod", Message: "!kick bob", Rank: 2},
			subject: "plugin.admin.command", data: `{"command":"kick","args":["bob"],"user":"mod","channel":"main","rank":2,"raw_message":"!kick bob"}`},
		{name: "unknown command", chat: event.Chat{User: "alice", Message: "!nonsense"}},
		{name: "plain chat", chat: event.Chat{User: "alice", Message: "hello"}},
		{name: "prose", chat: event.Chat{User: "alice", Message: "! roll"}},
		{name: "the bot's own line", chat: event.Chat{User: "rosey", Message: "!roll 1d6"}},
		{name: "from before the bot's time", chat: event.Chat{User: "alice", Message: "!roll 1d6"}, meta: map[string]any{event.MetaBackfill: true}},
		{name: "from a gap, young", chat: event.Chat{User: "alice", Message: "!about", Time: ms}, meta: map[string]any{event.MetaBuffered: true},
			subject: "plugin.admin.command", data: `{"command":"about","args":[],"user":"alice","channel":"main","rank":0,"raw_message":"!about"}`},
		{name: "from a gap, old", chat: event.Chat{User: "alice", Message: "!about", Time: ms - 100_000}, meta: map[string]any{event.MetaBuffered: true},
			subject: "plugin.admin.event.expired"},
		{name: "shadow-muted", chat: event.Chat{User: "alice", Message: "!roll", Extra: event.Extra{"shadow": json.RawMessage("true")}}},
		{name: "rank too low", chat: event.Chat{User: "bob", Message: "!kick alice", Rank: 1},
			subject: "plugin.admin.event.denied",
			data: `{"event_type":"denied","success":false,"error":"!kick needs rank 2, and bob has 1","error_code":"PERMISSION_DENIED",` +
				`"details":{"command":"kick","min_rank":2,"rank":1,"reason":"rank","user":"bob"},"channel":"main"}`},
		{name: "a channel's own prefix", chat: event.Chat{User: "bob", Message: "?dice", Channel: "Other"},
			subject: "plugin.dice-roller.command",
			data:    `{"command":"dice","args":[],"user":"bob","channel":"Other","rank":0,"raw_message":"?dice"}`},
		{name: "another channel's prefix", chat: event.Chat{User: "bob", Message: "!dice", Channel: "other"}},
	}
}

func TestRouter(t *testing.T) {
	t.Parallel()
	f := run(t, map[string]string{
		"dice-roller": `{"name":"dice-roller","version":"1.0.0","commands":["roll","!dice"]}`,
		"admin":       `{"name":"admin","version":"1.0.0","commands":[{"name":"kick","min_rank":2},"about"],"max_age":60}`,
		"broken":      `{"name":"other"`, // must not stop the others
	})
	for _, c := range routings(time.Now()) {
		caused := f.route(c.chat, c.meta)
		if c.subject == "" {
			if len(caused) != 0 {
				t.Errorf("%s: caused %+v, want nothing", c.name, caused)
			}
			continue
		}
		if len(caused) != 1 || caused[0].Subject != c.subject || c.data != "" && string(caused[0].Data) != c.data {
			t.Errorf("%s: caused %+v\nwant %s %s", c.name, caused, c.subject, c.data)
		}
	}
	var sends []streams.Stored
	for _, s := range streamstest.Stored(t, f.bus, streams.Cytube) {
		if s.Subject == event.SubjectSendChat {
			sends = append(sends, s)
		}
	}
	if len(sends) != 1 || !strings.Contains(string(sends[0].Data), "!kick needs rank 2, yours is 1") {
		t.Errorf("sends %+v, want the one refusal", sends)
	}
}

// The backoff is short, lasts longer than a command's default max_age, and ends
// within the duplicate window.
func TestBackoffOutlastsOutages(t *testing.T) {
	t.Parallel()
	c := router.Router{Registry: router.NewRegistry("!", nil), Prefix: "!", Logger: slog.New(slog.DiscardHandler)}.Config()
	total := time.Duration(0)
	for attempt := 1; attempt < c.Attempts; attempt++ {
		total += c.Backoff[min(attempt, len(c.Backoff))-1]
	}
	if longest := slices.Max(c.Backoff); longest > 5*time.Second || total < consumers.DefaultMaxAge*9/10 || total >= streams.DuplicateWindow {
		t.Errorf("it waits for up to %s, and gives up after %s", longest, total)
	}
}

// A command in a private message is routed as one in chat, and refused there.
func TestPrivateCommands(t *testing.T) {
	t.Parallel()
	f := run(t, map[string]string{"admin": `{"name":"admin","version":"1.0.0","commands":[{"name":"kick","min_rank":2},"about"]}`})
	for _, c := range []struct{ user, message, subject, data string }{
		{"alice", "!about", "plugin.admin.command",
			`{"command":"about","args":[],"user":"alice","channel":"main","rank":1,"raw_message":"!about","private":true}`},
		{"alice", "!kick bob", "plugin.admin.event.denied", ""},
		{"alice", "hello", "", ""},
		{"rosey", "!about", "", ""}, // the server's copy of what the bot sent
	} {
		e, err := event.New(event.SubjectPM, event.PM{User: c.user, To: "rosey", Message: c.message, Channel: "main", Rank: 1, Time: 1})
		if err != nil {
			t.Fatal(err)
		}
		before := len(streamstest.Stored(t, f.bus, streams.Plugin))
		if _, err := f.bus.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if o := <-f.outcomes; o.Err != nil {
			t.Errorf("outcome %+v", o)
		}
		caused := streamstest.Stored(t, f.bus, streams.Plugin)[before:]
		switch {
		case c.subject == "" && len(caused) > 0:
			t.Errorf("%s: %s caused %+v", c.user, c.message, caused)
		case c.subject != "" && (len(caused) != 1 || caused[0].Subject != c.subject || c.data != "" && string(caused[0].Data) != c.data):
			t.Errorf("%s: %s caused %+v", c.user, c.message, caused)
		}
	}
	var sends []string
	for _, s := range streamstest.Stored(t, f.bus, streams.Cytube) {
		if event.Match(event.AllSends, s.Subject) {
			sends = append(sends, s.Subject+" "+string(s.Data))
		}
	}
	want := `cytube.send.pm {"to":"alice","message":"⛔ alice: !kick needs rank 2, yours is 1","channel":"main"}`
	if len(sends) != 1 || sends[0] != want {
		t.Errorf("sends %q, want %q", sends, want)
	}
}
