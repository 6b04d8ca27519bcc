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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// Channel is the channel of a Room.
const Channel = "test"

// patience is how long a Room waits for anything.
const patience = 30 * time.Second

// Room is where a plugin under test is spoken to. There is no CyTube: chat is
// put into the stream, and what the plugin says is read from it.
type Room struct {
	Bus *streams.Bus // for whatever the methods do not cover

	t       testing.TB
	store   string
	plugins []plugins.Plugin
	db      *kvstore.Service
	stop    func()
	ctx     context.Context
	events  chan streams.Stored
}

// Run starts plugins, the router and the database, and stops them when the test
// ends. It returns when they are ready. More plugins than the one under test
// are for what it requests of others.
func Run(t testing.TB, ps ...plugins.Plugin) *Room {
	t.Helper()
	r := &Room{t: t, store: t.TempDir(), plugins: ps, events: make(chan streams.Stored, 4096)}
	t.Cleanup(func() { r.stop() })
	r.boot()
	return r
}

// Reboot stops everything, the server included, and starts it again on what the
// server stored.
func (r *Room) Reboot() {
	r.t.Helper()
	r.stop()
	r.boot()
}

// Restart starts a plugin over and returns when it runs again.
func (r *Room) Restart(plugin string) {
	r.t.Helper()
	if err := plugins.Restart(r.Bus.Conn(), plugin); err != nil {
		r.t.Fatal(err)
	}
	r.ready()
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
	return text(r.Await("something said", func(s streams.Stored) bool { return event.Match(event.AllSends, s.Subject) }))
}

func text(s streams.Stored) string {
	var said struct{ Message, Emote string }
	if err := json.Unmarshal(s.Data, &said); err != nil {
		return err.Error()
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

// Await waits for the next event that ok accepts and passes over others. The
// test fails when a plugin gives up on an event meanwhile.
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
		case <-time.After(patience):
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Request asks the plugin and returns the reply and the failure it reports.
func (r *Room) Request(subject string, payload any) (json.RawMessage, error) {
	return r.Bus.Request(r.ctx, subject, payload)
}

// Stored is every event that a pattern matches, as the streams hold them.
func (r *Room) Stored(pattern string) []streams.Stored {
	r.t.Helper()
	var all []streams.Stored
	for e, err := range replay.Read(r.ctx, r.Bus.JetStream(), replay.Query{Filter: replay.Filter{Subjects: []string{pattern}}}) {
		if err != nil {
			r.t.Fatal(err)
		}
		if isTimer(e.Header) {
			continue
		}
		s, err := e.Decode()
		if err != nil {
			r.t.Fatalf("%s: %v", e.Ref, err)
		}
		all = append(all, s)
	}
	return all
}

// Said is everything that was said, in order.
func (r *Room) Said() []string {
	r.t.Helper()
	var all []string
	for _, s := range r.Stored(event.AllSends) {
		all = append(all, text(s))
	}
	return all
}

// Repeat hands a plugin the last event of each stream again that it has handled,
// as after a crash between publishing and acknowledging, and returns once it is
// done. What was said and recorded must be the same afterwards.
func (r *Room) Repeat(plugin string) {
	r.t.Helper()
	for _, stream := range r.streams(plugin) {
		js, durable := r.Bus.JetStream(), plugins.Durable(plugin)
		if last := r.settle(stream, durable); last > 0 {
			if _, err := js.ResetConsumerToSequence(r.ctx, stream, durable, last); err != nil {
				r.t.Fatal(err)
			}
			r.settle(stream, durable)
		}
	}
}

// Settle returns once a plugin has handled everything that there is for it.
func (r *Room) Settle(plugin string) {
	r.t.Helper()
	for _, stream := range r.streams(plugin) {
		r.settle(stream, plugins.Durable(plugin))
	}
}

// settle waits until a consumer has nothing to do and returns the sequence of
// the last event that it was given.
func (r *Room) settle(stream, durable string) (last uint64) {
	r.t.Helper()
	r.await(durable+" on "+stream, func() bool {
		c, err := r.Bus.JetStream().Consumer(r.ctx, stream, durable)
		if err != nil {
			return false
		}
		last = c.CachedInfo().Delivered.Stream
		return idle(c.CachedInfo())
	})
	return last
}

func idle(info *jetstream.ConsumerInfo) bool {
	return info.NumWaiting > 0 && info.NumPending == 0 && info.NumAckPending == 0
}

// streams are those that a plugin reads.
func (r *Room) streams(plugin string) []string {
	all := []string{streams.Plugin}
	for _, p := range r.plugins {
		if p.Name != plugin {
			continue
		}
		for _, s := range p.Events {
			found, err := streams.Overlapping(s.Subject)
			if err != nil {
				r.t.Fatal(err)
			}
			for stream := range found {
				if !slices.Contains(all, stream) {
					all = append(all, stream)
				}
			}
		}
	}
	return all
}
