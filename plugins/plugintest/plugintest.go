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
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// Channel is the channel of a Room.
const Channel = "test"

// patience is how long a Room waits for anything.
const patience = 2 * time.Minute

// Room is where a plugin under test is spoken to. There is no CyTube: chat is
// put into the stream, and what the plugin says is read from it.
type Room struct {
	Bus *streams.Bus // for whatever the methods do not cover

	t       testing.TB
	store   string
	plugins []plugins.Plugin
	db      *service.Service
	stop    func()
	ctx     context.Context
	taken   map[string]uint64 // the last event that was waited for, by pattern
}

// Run starts plugins, the router and the database, and stops them when the test
// ends. It returns when they are ready. More plugins than the one under test
// are for what it requests of others.
func Run(t testing.TB, ps ...plugins.Plugin) *Room {
	t.Helper()
	r := &Room{t: t, store: t.TempDir(), plugins: ps, taken: map[string]uint64{}}
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
	if _, err := host.Restart(r.ctx, r.Bus.Conn(), plugin); err != nil {
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

// Next waits for the next thing that a plugin says. The test fails when a plugin
// gives up on an event meanwhile.
func (r *Room) Next() string { r.t.Helper(); return text(r.take(event.AllSends)) }

// Emitted waits for the next event on a subject, such as
// plugin.trivia.event.game_start, as Next does. It passes over nothing: what is
// said, and each subject, is read by itself, from its first event on.
func (r *Room) Emitted(subject string) streams.Stored { r.t.Helper(); return r.take(subject) }

// take waits for the event that pattern matches after the one that it took before.
func (r *Room) take(pattern string) (s streams.Stored) {
	r.t.Helper()
	wanted, letters := r.reader(pattern), r.reader(deadLetters)
	r.await(pattern, func() (ok bool) {
		if s, ok = wanted(r.taken[pattern]); ok {
			r.taken[pattern] = s.Ref.Seq
			return true
		}
		for {
			dead, ok := letters(r.taken[deadLetters])
			if !ok || dead.Subject == pattern {
				return false
			}
			if dead.Ref.Seq > r.taken[dead.Subject] {
				r.t.Fatalf("a plugin failed while waiting for %s: %s", pattern, dead.Data)
			}
			r.taken[deadLetters] = dead.Ref.Seq
		}
	})
	return s
}

const deadLetters = "plugin.*.event." + event.TypeDeadLetter

// reader finds the first stored event behind a sequence that pattern matches.
func (r *Room) reader(pattern string) func(seq uint64) (streams.Stored, bool) {
	r.t.Helper()
	spec, ok := streams.For(pattern)
	if !ok {
		r.t.Fatalf("no stream holds %s", pattern)
	}
	stream, err := r.Bus.JetStream().Stream(r.ctx, spec.Name)
	if err != nil {
		r.t.Fatal(err)
	}
	return func(seq uint64) (s streams.Stored, ok bool) {
		r.t.Helper()
		raw, err := stream.GetMsg(r.ctx, seq+1, jetstream.WithGetMsgSubject(pattern))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return s, false
		}
		if err == nil {
			s, err = streams.ReadRaw(spec.Name, raw)
		}
		if err != nil {
			r.t.Fatalf("read %s: %v", pattern, err)
		}
		return s, true
	}
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
	last := r.settle(plugin)
	for i, stream := range r.streams(plugin) {
		if last[i] == 0 {
			continue
		}
		if _, err := r.Bus.JetStream().ResetConsumerToSequence(r.ctx, stream, streams.Durable(plugin), last[i]); err != nil {
			r.t.Fatal(err)
		}
		r.settle(plugin)
	}
}

// Settle returns once a plugin has handled everything that there is for it, also
// what the router had to pass on to it.
func (r *Room) Settle(plugin string) { r.t.Helper(); r.settle(plugin) }

// settle waits until neither a plugin nor the router has anything to do, and
// returns the sequence of the last event that the plugin was given, by stream.
func (r *Room) settle(plugin string) []uint64 {
	r.t.Helper()
	durable := streams.Durable(plugin)
	// What one of them does can give work to another that was looked at before.
	var before, now []uint64
	r.await(durable+" to settle", func() bool {
		before, now = now, nil
		for _, stream := range r.streams(plugin) {
			now = append(now, r.idle(stream, durable)...)
		}
		now = append(now, r.idle(streams.Cytube, router.Durable)...)
		return len(now) == len(r.streams(plugin))+1 && slices.Equal(before, now)
	})
	return now
}

// idle is the sequence of the last event that a consumer was given, if it has
// nothing to do.
func (r *Room) idle(stream, durable string) []uint64 {
	c, err := r.Bus.JetStream().Consumer(r.ctx, stream, durable)
	if err != nil {
		return nil
	}
	info := c.CachedInfo()
	if info.NumWaiting == 0 || info.NumPending > 0 || info.NumAckPending > 0 {
		return nil
	}
	return []uint64{info.Delivered.Stream}
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
