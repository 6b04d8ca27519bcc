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
	"slices"
	"testing"
	"time"

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
	before, err := host.Instances(c.ctx, c.Bus.Conn())
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := host.Restart(c.ctx, c.Bus.Conn(), plugin); err != nil {
		c.t.Fatal(err)
	}
	if err := host.AwaitEnd(c.ctx, c.Bus.Conn(), plugin, before[plugin]); err != nil {
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
		return c.registry.Routes(command, ChannelName) != slices.Contains(gone, true)
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
	durables := c.durables(plugin)
	last := c.settle(durables)
	for i, d := range durables {
		if last[i] == 0 {
			continue
		}
		if _, err := c.Bus.JetStream().ResetConsumerToSequence(c.ctx, d.stream, d.name, last[i]); err != nil {
			c.t.Fatal(err)
		}
		c.settle(durables)
	}
}
