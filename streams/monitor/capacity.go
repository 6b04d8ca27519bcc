package monitor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Capacity is an Observer that remembers which streams refused the latest event for
// lack of capacity. It calls the Observer in it, which must be set.
type Capacity struct {
	streams.Observer

	mu      sync.Mutex
	refused map[string]error // by stream
}

// Sent implements Observer.
func (c *Capacity) Sent(ctx context.Context, subject string, took time.Duration, err error) {
	c.Observer.Sent(ctx, subject, took, err)
	stream, _ := streams.For(subject)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		delete(c.refused, stream.Name)
	case errors.Is(err, jsapi.ErrFull):
		if c.refused == nil {
			c.refused = map[string]error{}
		}
		c.refused[stream.Name] = err
	}
}

// Full returns an error that wraps jsapi.ErrFull while a stream has refused the latest
// event for it, and nil otherwise.
func (c *Capacity) Full() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.refused) == 0 {
		return nil
	}
	first := slices.Min(slices.Collect(maps.Keys(c.refused)))
	cause := c.refused[first]
	if api := new(jetstream.APIError); errors.As(cause, &api) {
		cause = jsapi.WrapFull(api) // without the event that was refused
	}
	return fmt.Errorf("stream %s takes no events: %w", first, cause)
}
