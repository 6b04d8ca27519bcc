package cytube

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/cytube/ability"
	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
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
	Kicked bool      // whether a moderator kicked the bot, from when on it was away
	Banned bool      // whether that was a ban
	By     string    // who kicked or banned the bot, or muted it; "" where the server does not say
	Reason string    // why, as the moderator says; "" for none
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
	rights  channel.Rights   // while the bot is in the channel
	removed event.Moderation // the latest kick or ban of the bot in this session
	muted   event.Moderation // the latest mute
}

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
		if kicked, ok := errors.AsType[*kickedError](err); ok {
			s.Kicked, s.Banned, s.Reason = true, s.Banned || kicked.isBan(), kicked.reason
		}
		if s.Kicked && c.removed.By != "" {
			s.By = c.removed.By
		}
		s.Away, s.Next, s.Mute = err.Error(), next, ""
	})
}

// inChannel notes the bot's rights and mute in the channel that it is in.
func (c *counters) inChannel(rights channel.Rights, mute string) {
	c.count(func(s *Stats) {
		c.rights, c.removed = rights, event.Moderation{}
		s.Condition = Condition{Rank: rights.Rank(), Mute: mute}
		if mute != "" {
			s.By, s.Reason = c.muted.By, c.muted.Reason
		}
	})
}

// moderated notes what a moderator did to the bot.
func (c *counters) moderated(action string, m event.Moderation) {
	c.count(func(s *Stats) {
		switch action {
		case event.ActionMute, event.ActionShadowMute:
			if c.muted = m; s.Mute != "" {
				s.By, s.Reason = m.By, m.Reason
			}
		case event.ActionKick, event.ActionBan:
			c.removed = m
			if s.Kicked && m.By != "" {
				s.By = m.By
			}
		}
	})
}

// Denied returns why the bot cannot do what a subject asks for, whatever the payload, with
// the rank that it has or last had in the channel; "" if it may, or was not there yet.
func (c *Connector) Denied(subject string) string {
	c.stats.mu.Lock()
	rights := c.stats.rights
	c.stats.mu.Unlock()
	if rights.Unknown() {
		return ""
	}
	return ability.Denied(subject, rights)
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
