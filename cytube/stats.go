package cytube

import (
	"context"
	"slices"
	"sync"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/sender"
)

// Stats counts what a Connector has done since it was made.
type Stats struct {
	Connected bool // whether the bot is in the channel now
	Queue     int  // frames that wait to be recorded

	Joins      int64 // times the bot joined the channel
	Recorded   int64 // events published
	Repeated   int64 // lines of a chat buffer that were recorded before
	Malformed  int64 // frames that could not be decoded
	Unknown    int64 // frames that the bot does not know
	Unrecorded int64 // events that NATS cannot take, such as one over its size limit, and frames and events that were left when the bot stopped

	sender.Stats
}

// Observer is called when a Connector does something that metrics count.
type Observer interface {
	sender.Observer
	// Connected is called when the bot has joined or left the channel.
	Connected(ctx context.Context, channel string, up bool)
	// Reconnected is called when the bot has joined the channel again.
	Reconnected(ctx context.Context, channel string)
}

type ignore struct{}

func (ignore) Connected(context.Context, string, bool) {}
func (ignore) Reconnected(context.Context, string)     {}
func (ignore) EchoMissed(context.Context, string)      {}
func (ignore) Resent(context.Context, string)          {}

// counters holds what a Connector tells of itself to others.
type counters struct {
	mu      sync.Mutex
	stats   Stats // but for Queue
	members []channel.Member
}

// count updates the counts.
func (c *counters) count(update func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	update(&c.stats)
}

func (c *counters) setMembers(list []channel.Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members = list
}

// Stats returns the counts so far.
func (c *Connector) Stats() Stats {
	c.stats.mu.Lock()
	defer c.stats.mu.Unlock()
	s := c.stats.stats
	s.Queue = len(c.queue)
	return s
}

// Present lists who is in the channel, the highest rank first, without the channel's
// nameless guests. While the bot is away it is who was there last.
func (c *Connector) Present() []channel.Member {
	c.stats.mu.Lock()
	defer c.stats.mu.Unlock()
	return slices.Clone(c.stats.members)
}
