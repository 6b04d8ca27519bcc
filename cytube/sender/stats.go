package sender

import (
	"context"
	"sync/atomic"

	"github.com/rosey-bot/rosey/event"
)

// Stats counts what a Sender has done.
type Stats struct {
	Sent        int64 // messages written to the server, repeats included
	Echoed      int64 // messages that the channel echoed
	Resent      int64 // repeats: each may be heard twice if only the echo was lost
	Refused     int64 // sends that the server refused
	Expired     int64 // sends that were too old
	Unconfirmed int64 // sends given up without an answer
}

// Counters is what Stats is a snapshot of. Senders that follow each other in a channel
// can share it.
type Counters struct {
	sent, echoed, resent, refused, expired, unconfirmed atomic.Int64
}

// Stats returns the counts so far.
func (c *Counters) Stats() Stats {
	return Stats{
		Sent: c.sent.Load(), Echoed: c.echoed.Load(), Resent: c.resent.Load(),
		Refused: c.refused.Load(), Expired: c.expired.Load(), Unconfirmed: c.unconfirmed.Load(),
	}
}

// count counts a delivery by its status.
func (c *Counters) count(status string) {
	switch status {
	case event.DeliveryRefused:
		c.refused.Add(1)
	case event.DeliveryExpired:
		c.expired.Add(1)
	case event.DeliveryUnconfirmed:
		c.unconfirmed.Add(1)
	}
}

// Observer is called when a Sender does something that metrics count.
type Observer interface {
	// EchoMissed is called when the echo of a message timed out.
	EchoMissed(ctx context.Context, channel string)
	// Resent is called when a message was written again.
	Resent(ctx context.Context, channel string)
}

type ignore struct{}

func (ignore) EchoMissed(context.Context, string) {}
func (ignore) Resent(context.Context, string)     {}
