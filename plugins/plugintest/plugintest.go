// Package plugintest runs a plugin in a test as the bot would: on a real
// embedded NATS server, behind the router, with the database at hand.
//
//	func TestHello(t *testing.T) {
//		room := plugintest.Run(t, New())
//		if got := room.Say("alice", "!hello"); got != "Hello, alice!" {
//			t.Error(got)
//		}
//	}
package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Channel is the channel of a Room.
const Channel = "test"

// Room is where a plugin under test is spoken to. There is no CyTube: chat is
// put into the stream, and what the plugin says is read from it.
type Room struct {
	Bus *streams.Bus // for whatever the methods do not cover

	t      testing.TB
	ctx    context.Context
	events chan streams.Stored
}

// Run starts plugins, the router and the database, and stops them when the test
// ends. It returns when they are ready. More plugins than the one under test
// are for what it requests of others.
func Run(t testing.TB, ps ...plugins.Plugin) *Room {
	t.Helper()
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	r := &Room{Bus: streamstest.Bus(t, streamstest.Server(t)), t: t, ctx: ctx, events: make(chan streams.Stored, 1024)}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	kv, err := consumers.OpenBucket(ctx, r.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	db, err := kvstore.New(r.Bus.Conn(), r.Bus.JetStream())
	if err != nil {
		t.Fatal(err)
	}
	registry := consumers.NewRegistry("!", log)
	router := consumers.NewRouter(registry, "!", func(_, user string) bool { return user == "rosey" }, log)
	host := plugins.Host{Bus: r.Bus, Bucket: kv, Logger: log}
	actors := []func() error{
		func() error { return db.Serve(ctx) },
		func() error { return registry.Watch(ctx, kv, func() {}) },
		func() error { return consumers.Run(ctx, r.Bus, router.Config(), router.Handle) },
	}
	for _, p := range ps {
		actors = append(actors, func() error { return host.Run(ctx, p) })
	}
	ended := make(chan error, len(actors))
	for _, run := range actors {
		go func() { ended <- run() }()
	}
	sub, err := r.Bus.Subscribe(ctx, event.AllPlugin, r.heard)
	if err != nil {
		t.Fatal(err)
	}
	sends, err := r.Bus.Subscribe(ctx, event.AllSends, r.heard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sub.Stop()
		sends.Stop()
		cancel()
		for range actors {
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	})
	r.await("the plugins and the database", func() bool {
		for _, p := range ps {
			if c, err := r.Bus.JetStream().Consumer(ctx, streams.Plugin, plugins.Durable(p.Name)); err != nil || c.CachedInfo().NumWaiting == 0 {
				return false
			}
		}
		_, err := r.Bus.Request(ctx, event.SubjectQuery, event.Query{Collection: "plugintest"}, streams.Within(time.Second))
		return err == nil && len(registry.Plugins()) == len(ps)
	})
	return r
}

func (r *Room) heard(_ context.Context, s streams.Stored) { r.events <- s }

func (r *Room) await(what string, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-r.ctx.Done():
			r.t.Fatalf("%s were not ready in time", what)
		case <-tick.C:
		}
	}
}

// Say speaks as a user of rank 1 and returns the next thing that the plugin
// says, in chat, as "/me …" or by private message.
func (r *Room) Say(user, line string) string { r.t.Helper(); return r.SayAs(user, 1, line) }

// SayAs is Say with another rank.
func (r *Room) SayAs(user string, rank int, line string) string {
	r.t.Helper()
	r.Type(user, rank, line)
	return r.Next()
}

// Type speaks without waiting for an answer.
func (r *Room) Type(user string, rank int, line string) event.Ref {
	r.t.Helper()
	return r.Publish(event.SubjectChat, event.Chat{User: user, Message: line, Channel: Channel, Rank: rank, Time: time.Now().UnixMilli()})
}

// Publish stores any event.
func (r *Room) Publish(subject string, payload any) event.Ref {
	r.t.Helper()
	e, err := event.New(subject, payload)
	if err != nil {
		r.t.Fatal(err)
	}
	ack, err := r.Bus.Publish(r.ctx, e)
	if err != nil {
		r.t.Fatal(err)
	}
	return ack.Ref
}

// Next waits for the next thing that a plugin says.
func (r *Room) Next() string {
	r.t.Helper()
	s := r.Await("something said", func(s streams.Stored) bool { return event.Match(event.AllSends, s.Subject) })
	var said struct{ Message, Emote, To string }
	if err := json.Unmarshal(s.Data, &said); err != nil {
		r.t.Fatal(err)
	}
	if said.Emote != "" {
		return "/me " + said.Emote
	}
	return said.Message
}

// Emitted waits for the next event on a subject, such as
// plugin.trivia.event.game_start, and passes over others.
func (r *Room) Emitted(subject string) streams.Stored {
	r.t.Helper()
	return r.Await(subject, func(s streams.Stored) bool { return s.Subject == subject })
}

// Await waits for the next event that ok accepts and passes over others.
func (r *Room) Await(what string, ok func(streams.Stored) bool) streams.Stored {
	r.t.Helper()
	for {
		select {
		case s := <-r.events:
			if ok(s) {
				return s
			}
			if strings.HasSuffix(s.Subject, "."+event.TypeDeadLetter) {
				r.t.Fatalf("a plugin failed while waiting for %s: %s", what, s.Data)
			}
		case <-r.ctx.Done():
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Request asks the plugin and returns the reply and the failure it reports.
func (r *Room) Request(subject string, payload any) (json.RawMessage, error) {
	return r.Bus.Request(r.ctx, subject, payload)
}
