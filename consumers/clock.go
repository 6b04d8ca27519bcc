package consumers

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

type clockKey struct{}

// WithClock returns a context in which Now is clock's time. A dry run handles past
// events at the time at which they were handled.
func WithClock(ctx context.Context, clock func() time.Time) context.Context {
	return context.WithValue(ctx, clockKey{}, clock)
}

// Now returns the time for a handler: that of ctx's clock, or else the machine's.
func Now(ctx context.Context) time.Time {
	if clock, ok := ctx.Value(clockKey{}).(func() time.Time); ok {
		return clock()
	}
	return time.Now()
}

const (
	// clockSkewThreshold is the age, of either sign, beyond which serverTime asks for
	// the server's time: the event may be that old, or the two clocks differ.
	clockSkewThreshold = time.Second
	// serverTimeTTL is how long the server's time is cached, and waited for.
	serverTimeTTL = 2 * time.Second
)

// serverTime determines how long an event waited, by the clock of the server that
// stored it where that may differ from this machine's. Handlers then get that clock.
func serverTime(source jetstream.Consumer) Middleware {
	clock := serverClock{source: source}
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			waited := time.Since(d.At)
			if waited < 0 || waited > clockSkewThreshold {
				ctx = WithClock(ctx, clock.read(ctx))
				waited = Now(ctx).Sub(d.At)
			}
			deliveryOf(ctx).Waited = waited
			return next(ctx, d)
		}
	}
}

// serverClock caches the time of the server that stores a consumer.
type serverClock struct {
	source jetstream.Consumer

	mu         sync.Mutex // handlers may overlap
	localTime  time.Time  // when it was read
	serverTime time.Time
}

// read returns the server's clock, or the machine's if the server does not answer.
func (c *serverClock) read(ctx context.Context) func() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.localTime.IsZero() || time.Since(c.localTime) > serverTimeTTL {
		ctx, cancel := context.WithTimeout(ctx, serverTimeTTL)
		defer cancel()
		info, err := c.source.Info(ctx)
		if err != nil {
			return time.Now
		}
		c.localTime, c.serverTime = time.Now(), info.TimeStamp
	}
	local, server := c.localTime, c.serverTime
	return func() time.Time { return server.Add(time.Since(local)) }
}
