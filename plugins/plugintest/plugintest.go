// Package plugintest runs a plugin in a test as the bot would: on a real
// embedded NATS server, behind the router, with the database at hand.
//
//	func TestHello(t *testing.T) {
//		channel := plugintest.Run(t, New())
//		if got := channel.Say("alice", "!hello"); got != "Hello, alice!" {
//			t.Error(got)
//		}
//	}
package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
)

// ChannelName is the CyTube name of the test's channel.
const ChannelName = "test"

// timeout is how long a Channel waits for anything.
const timeout = 2 * time.Minute

// Channel is the channel of a bot under test. There is no CyTube: its methods publish
// chat lines to the stream, and read from it what the plugins send.
type Channel struct {
	Bus *streams.Bus // for what the methods do not cover

	t        testing.TB
	store    string
	plugins  []plugins.Plugin
	settings *pluginsettings.Store
	grants   *router.Grants
	registry *router.Registry
	life     life
	ctx      context.Context
	taken    map[string]uint64 // the sequence of the last event returned, by pattern
}

// Run starts plugins, the router and the database, and returns when they are ready.
// They are stopped when the test ends. Plugins other than the one under test serve its
// requests.
func Run(t testing.TB, ps ...plugins.Plugin) *Channel {
	t.Helper()
	c := &Channel{t: t, store: t.TempDir(), life: life{TB: t}, plugins: ps, taken: map[string]uint64{}}
	t.Cleanup(c.life.stop)
	c.boot()
	return c
}

// Reboot stops everything, the server too, and starts it again on the same store.
func (c *Channel) Reboot() {
	c.t.Helper()
	c.life.stop()
	c.boot()
}

// Restart restarts a plugin and returns when it is ready.
func (c *Channel) Restart(plugin string) {
	c.t.Helper()
	if _, err := host.Restart(c.ctx, c.Bus.Conn(), plugin); err != nil {
		c.t.Fatal(err)
	}
	c.ready()
}

// Say publishes a chat line of a user of rank 1 and returns the next message that a
// plugin sends, in chat, as "/me …" or privately.
func (c *Channel) Say(user, line string) string { c.t.Helper(); return c.SayAs(user, 1, line) }

// SayAs is Say with another rank.
func (c *Channel) SayAs(user string, rank int, line string) string {
	c.t.Helper()
	c.Type(user, rank, line)
	return c.Next()
}

// Type publishes a chat line without waiting for an answer.
func (c *Channel) Type(user string, rank int, line string) event.Ref {
	c.t.Helper()
	return c.Publish(event.SubjectChat, event.Chat{User: user, Message: line, Channel: ChannelName, Rank: rank, Time: time.Now().UnixMilli()})
}

// Set changes a setting of a plugin or of one of its commands in the channel, as rosey
// settings set does.
func (c *Channel) Set(plugin, key, value string) {
	c.t.Helper()
	registered, err := router.List(c.ctx, c.Bus.JetStream())
	if err == nil {
		_, err = router.Configure(c.ctx, c.Bus, c.settings, registered, router.Setting{Plugin: plugin, Channel: ChannelName, Key: key, Text: value, By: "test"})
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// Routed waits until the router knows a command that a plugin has registered while it runs, or
// with gone no longer knows it.
func (c *Channel) Routed(command string, gone ...bool) {
	c.t.Helper()
	c.await("the command "+command, func() bool {
		known := false
		for _, r := range c.registry.Plugins() {
			known = known || slices.ContainsFunc(r.Commands, func(of router.Command) bool { return of.Name == command })
		}
		return known != slices.Contains(gone, true)
	})
}

// Grant gives a user a right for a time, as rosey grant does; 0 is for ever.
func (c *Channel) Grant(user, right string, d time.Duration) {
	c.t.Helper()
	g := router.Grant{Right: right, Channel: ChannelName, By: "test"}
	if d != 0 {
		g.Until = time.Now().Add(d).UnixMilli()
	}
	if err := c.grants.Grant(c.ctx, c.Bus, user, g); err != nil {
		c.t.Fatal(err)
	}
}

// Publish stores any event.
func (c *Channel) Publish(subject string, payload any) event.Ref {
	c.t.Helper()
	e, err := event.New(subject, payload)
	if err != nil {
		c.t.Fatal(err)
	}
	ack, err := c.Bus.Publish(c.ctx, e)
	if err != nil {
		c.t.Fatal(err)
	}
	return ack.Ref
}

// Request sends a request to a plugin and returns its reply or error.
func (c *Channel) Request(subject string, payload any) (json.RawMessage, error) {
	return c.Bus.Request(c.ctx, subject, payload)
}

// Repeat redelivers the last event of each stream that a plugin has handled, as after a
// crash between publishing and acknowledging, and returns once it is handled. Messages
// and records must be the same afterwards.
func (c *Channel) Repeat(plugin string) {
	c.t.Helper()
	last := c.settle(plugin)
	for i, d := range c.durables(plugin) {
		if last[i] == 0 {
			continue
		}
		if _, err := c.Bus.JetStream().ResetConsumerToSequence(c.ctx, d.stream, d.name, last[i]); err != nil {
			c.t.Fatal(err)
		}
		c.settle(plugin)
	}
}

// Settle waits until a plugin has handled all its events, including those that the
// router has yet to route.
func (c *Channel) Settle(plugin string) { c.t.Helper(); c.settle(plugin) }

// settle waits until both a plugin and the router are idle, and returns the last
// sequence delivered to the plugin, by durable.
func (c *Channel) settle(plugin string) []uint64 {
	c.t.Helper()
	durables := c.durables(plugin)
	// One of them may have given work to another that was idle before.
	var before, now []uint64
	c.await("plugin "+plugin+" to settle", func() bool {
		before, now = now, nil
		for _, d := range durables {
			now = append(now, c.idle(d.stream, d.name)...)
		}
		now = append(now, c.idle(streams.Cytube, router.Durable)...)
		return len(now) == len(durables)+1 && slices.Equal(before, now)
	})
	return now
}

// idle returns the last sequence delivered to a consumer, or nil unless it is idle. The server
// counts what is pending a moment after it has stored it.
func (c *Channel) idle(name, durable string) []uint64 {
	stream, err := c.Bus.JetStream().Stream(c.ctx, name)
	if err != nil {
		return nil
	}
	consumer, err := stream.Consumer(c.ctx, durable)
	if err != nil {
		return nil
	}
	info := consumer.CachedInfo()
	if info.NumWaiting == 0 || info.NumPending > 0 || info.NumAckPending > 0 {
		return nil
	}
	for _, filter := range streams.FilterSubjects(info.Config) {
		last, err := stream.GetLastMsgForSubject(c.ctx, filter)
		if err == nil && last.Sequence > info.Delivered.Stream || err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
	}
	return []uint64{info.Delivered.Stream}
}

type durable struct{ stream, name string }

// durables returns the consumers of a plugin.
func (c *Channel) durables(plugin string) (all []durable) {
	i := slices.IndexFunc(c.plugins, func(p plugins.Plugin) bool { return p.Name == plugin })
	live, err := c.plugins[i].SubjectsByStream()
	past, pastErr := c.plugins[i].PastSubjectsByStream()
	if err := errors.Join(err, pastErr); err != nil {
		c.t.Fatal(err)
	}
	for _, stream := range slices.Sorted(maps.Keys(live)) {
		all = append(all, durable{stream, streams.Durable(plugin)})
	}
	for _, stream := range slices.Sorted(maps.Keys(past)) {
		all = append(all, durable{stream, streams.PastDurable(plugin)})
	}
	return all
}
