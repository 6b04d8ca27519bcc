package cytube

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

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
	Condition
}

// Condition is how the bot fares in its channel now.
type Condition struct {
	Rank   float64   // the bot's, while it is in the channel
	Mute   string    // the moderation action that keeps the bot silent, as far as the server tells it; "" for none
	Away   string    // why the bot is not in the channel: the latest failure; "" while it is, or before the first one
	Kicked bool      // whether that was a moderator's kick
	Since  time.Time // when the bot was last in the channel, or first failed to join
	Next   time.Time // when it tries again; zero if it does not
}

// Observer is called when a Connector does something that metrics count.
type Observer interface {
	sender.Observer
	// Connected is called when the bot has joined or left the channel.
	Connected(ctx context.Context, channel string, up bool)
	// Muted is called when a frame came that tells whether the bot is muted.
	Muted(ctx context.Context, channel string, muted bool)
	// Reconnected is called when the bot has joined the channel again.
	Reconnected(ctx context.Context, channel string)
}

type ignore struct{}

func (ignore) Connected(context.Context, string, bool) {}
func (ignore) Muted(context.Context, string, bool)     {}
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

// away notes that the bot is not in the channel, and why.
func (c *counters) away(err error, next time.Time) {
	c.count(func(s *Stats) {
		if s.Away == "" {
			s.Since = time.Now()
		}
		var kicked *kickedError
		s.Away, s.Kicked, s.Next, s.Mute = err.Error(), s.Kicked || errors.As(err, &kicked), next, ""
	})
}

// inChannel notes the bot's rank and mute in the channel that it is in.
func (c *counters) inChannel(rank float64, mute string) {
	c.count(func(s *Stats) { s.Condition = Condition{Rank: rank, Mute: mute} })
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
