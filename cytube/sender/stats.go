package sender

import (
	"context"

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

// delivered counts a delivery by its status.
func (s *Stats) delivered(status string) {
	switch status {
	case event.DeliveryRefused:
		s.Refused++
	case event.DeliveryExpired:
		s.Expired++
	case event.DeliveryUnconfirmed:
		s.Unconfirmed++
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
