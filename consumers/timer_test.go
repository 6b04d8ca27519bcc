package consumers_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A redelivered event leaves the timers as one delivery would.
func TestARepeatCancelsNoOtherTimer(t *testing.T) {
	t.Parallel()
	type steps struct{ set, cancel func() error }
	for name, c := range map[string]struct {
		handle func(steps) error
		after  func(steps) error // between the attempts, on behalf of a later event
		left   int
	}{
		"a later event set it":     {func(s steps) error { return s.cancel() }, func(s steps) error { return s.set() }, 1},
		"cancelled and set":        {func(s steps) error { return errors.Join(s.cancel(), s.set()) }, nil, 1},
		"set and cancelled":        {func(s steps) error { return errors.Join(s.set(), s.cancel()) }, nil, 0},
		"set, cancelled and set":   {func(s steps) error { return errors.Join(s.set(), s.cancel(), s.set()) }, nil, 1},
		"cancelled by a later one": {func(s steps) error { return s.set() }, func(s steps) error { return s.cancel() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			rung, err := event.New(event.EventSubject("t", "rung"), map[string]any{})
			if err != nil {
				t.Fatal(err)
			}
			at := streams.At(time.Now().Add(time.Hour), "bell")
			settled, _ := start(t, bus, consumers.Config{Backoff: quick}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
				p := consumers.PublisherFrom(ctx)
				sets := 0
				err := c.handle(steps{
					set: func() error {
						sets++
						_, err := p.Publish(ctx, rung, at, streams.WithMsgID(fmt.Sprintf("plugin-t/%s/timer/bell/%d", d.Ref, sets)))
						return err
					},
					cancel: func() error { return p.CancelTimer(ctx, "t", "bell") },
				})
				if d.Attempt > 1 || err != nil {
					return nil, err
				}
				if c.after != nil {
					later := propagation.WithCause(ctx, "later", event.Ref{Stream: streams.Plugin, Seq: d.Ref.Seq + 1})
					err = c.after(steps{
						set:    func() error { _, err := bus.Publish(later, rung, at); return err },
						cancel: func() error { return bus.CancelTimer(later, "t", "bell", 0) },
					})
				}
				return nil, errors.Join(err, errors.New("died before the ack"))
			})
			command(t, bus, "x")
			next(t, settled)
			if o := next(t, settled); o.Result != consumers.Handled {
				t.Errorf("outcome %+v", o)
			}
			if n := len(streamstest.Stored(t, bus, streams.Timer)); n != c.left {
				t.Errorf("%d timers are left, want %d", n, c.left)
			}
		})
	}
}
