package consumers

import (
	"context"
	"time"
)

type clockKey struct{}

// WithClock returns a context in which handlers take the present time from
// clock. A dry run handles past events at the time at which they were handled.
func WithClock(ctx context.Context, clock func() time.Time) context.Context {
	return context.WithValue(ctx, clockKey{}, clock)
}

// Now is the present time for a handler: the machine's, unless ctx has a clock
// of its own.
func Now(ctx context.Context) time.Time {
	if clock, ok := ctx.Value(clockKey{}).(func() time.Time); ok {
		return clock()
	}
	return time.Now()
}
