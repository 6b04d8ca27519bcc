package cytube

import (
	"context"
	"sync/atomic"

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
	Unrecorded int64 // events that NATS cannot take, such as one over its size limit

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

type counters struct {
	connected                                        atomic.Bool
	members                                          atomic.Pointer[[]channel.Member]
	joins, recorded, repeated, malformed, unrecorded atomic.Int64
	sender                                           sender.Counters
}

// Stats returns the counts so far.
func (c *Connector) Stats() Stats {
	s := &c.stats
	return Stats{
		Connected: s.connected.Load(), Queue: len(c.queue),
		Joins: s.joins.Load(), Recorded: s.recorded.Load(), Repeated: s.repeated.Load(),
		Malformed: s.malformed.Load(), Unrecorded: s.unrecorded.Load(), Stats: s.sender.Stats(),
	}
}

// Present lists who is in the channel, the highest rank first, without the channel's
// nameless guests. While the bot is away it is who was there last.
func (c *Connector) Present() []channel.Member {
	if list := c.stats.members.Load(); list != nil {
		return append([]channel.Member(nil), *list...)
	}
	return nil
}
