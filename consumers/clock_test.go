package consumers

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// fakeConsumer is a consumer on a server whose clock is ahead.
type fakeConsumer struct {
	jetstream.Consumer
	ahead time.Duration
	err   error
	calls int
}

func (c *fakeConsumer) Info(context.Context) (*jetstream.ConsumerInfo, error) {
	c.calls++
	return &jetstream.ConsumerInfo{TimeStamp: time.Now().Add(c.ahead)}, c.err
}

func TestServerTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source fakeConsumer
		age    time.Duration // by this machine's clock
		waited time.Duration
		calls  int
	}{
		"young event":                 {fakeConsumer{ahead: time.Hour}, 500 * time.Millisecond, 500 * time.Millisecond, 0},
		"from the future":             {fakeConsumer{ahead: time.Hour}, -time.Hour, 0, 1},
		"old event, clocks agree":     {fakeConsumer{}, time.Hour, time.Hour, 1},
		"old event, server is behind": {fakeConsumer{ahead: -time.Hour}, time.Hour, 0, 1},
		"old event, server is silent": {fakeConsumer{err: errors.New("timeout")}, time.Hour, time.Hour, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, delivery, _, d := newDelivery(t, 1)
				d.At = time.Now().Add(-c.age)
				h := Chain(func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
					if age := Now(ctx).Sub(d.At); age != c.waited {
						t.Errorf("the handler sees an age of %s, want %s", age, c.waited)
					}
					return nil, nil
				}, serverTime(&c.source))
				for range 2 { // the second time from the cache
					_, _ = h(ctx, d)
				}
				if delivery.Waited != c.waited || c.source.calls != c.calls {
					t.Errorf("waited %s, want %s; %d requests, want %d", delivery.Waited, c.waited, c.source.calls, c.calls)
				}
			})
		})
	}
}

// Overlapping handlers share the clock.
func TestServerTimeOfOverlappingEvents(t *testing.T) {
	t.Parallel()
	handle := serverTime(&fakeConsumer{})(func(ctx context.Context, _ streams.Stored) ([]event.Envelope, error) {
		if Now(ctx).IsZero() {
			t.Error("no time")
		}
		return nil, nil
	})
	var running sync.WaitGroup
	for range 10 {
		ctx, _, _, s := newDelivery(t, 1)
		s.At = time.Now().Add(-time.Hour)
		running.Go(func() {
			if _, err := handle(ctx, s); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
}
