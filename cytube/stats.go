package cytube

import (
	"context"
	"sync/atomic"

	"github.com/rosey-bot/rosey/event"
)

// Stats counts what a Connector has done since it started.
type Stats struct {
	Connected bool // whether the bot is in the channel now
	Queue     int  // frames that wait to be recorded

	Joins      int64 // times the bot came into the channel
	Recorded   int64 // events published
	Repeated   int64 // lines of a chat buffer that were recorded before
	Malformed  int64 // frames that made no sense
	Unrecorded int64 // events that NATS cannot take, such as one over its size limit

	Sent        int64 // messages written to the server, repeats included
	Echoed      int64 // messages that the channel has heard
	Resent      int64 // repeats: each may be heard twice if only the echo was lost
	Refused     int64 // sends that the server would not have
	Expired     int64 // sends that were too old
	Unconfirmed int64 // sends given up without an answer
}

// Observer is told of what a Connector does, for metrics.
type Observer interface {
	// Connected is told whether the bot is in the channel, when that changes.
	Connected(ctx context.Context, channel string, up bool)
	// Reconnected is told when the bot is back in the channel.
	Reconnected(ctx context.Context, channel string)
	// EchoMissed is told of a message whose echo did not come in time.
	EchoMissed(ctx context.Context, channel string)
	// Resent is told of a message that was written once more.
	Resent(ctx context.Context, channel string)
}

type nobody struct{}

func (nobody) Connected(context.Context, string, bool) {}
func (nobody) Reconnected(context.Context, string)     {}
func (nobody) EchoMissed(context.Context, string)      {}
func (nobody) Resent(context.Context, string)          {}

type counters struct {
	connected                                          atomic.Bool
	users                                              atomic.Pointer[[]Member]
	joins, recorded, repeated, malformed, unrecorded   atomic.Int64
	sent, echoed, resent, refused, expired, unanswered atomic.Int64
}

func (c *counters) delivered(status string) {
	switch status {
	case event.DeliveryRefused:
		c.refused.Add(1)
	case event.DeliveryExpired:
		c.expired.Add(1)
	case event.DeliveryUnconfirmed:
		c.unanswered.Add(1)
	}
}

// Stats is a snapshot of the counters.
func (c *Connector) Stats() Stats {
	s := &c.stats
	return Stats{
		Connected: s.connected.Load(), Queue: len(c.queue),
		Joins: s.joins.Load(), Recorded: s.recorded.Load(), Repeated: s.repeated.Load(),
		Malformed: s.malformed.Load(), Unrecorded: s.unrecorded.Load(),
		Sent: s.sent.Load(), Echoed: s.echoed.Load(), Resent: s.resent.Load(),
		Refused: s.refused.Load(), Expired: s.expired.Load(), Unconfirmed: s.unanswered.Load(),
	}
}
