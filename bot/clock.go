package bot

import (
	"context"
	"log/slog"
	"time"

	"github.com/rosey-bot/rosey/event"
)

const (
	clockInterval = time.Second
	// clockThreshold is by how much the clock must be set at once: what NTP corrects
	// bit by bit is no step.
	clockThreshold = 2 * time.Second
)

// A clockWatch notices that the machine's clock was set, or that the machine slept: then
// more time passed by the clock than by the monotonic one.
type clockWatch struct {
	publish func(ctx context.Context, subject string, payload any)
	log     *slog.Logger
	began   time.Time
	offset  time.Duration // of the wall clock against the monotonic one, since began
}

// clockOffset returns by how much the clock was set between two readings of it.
func clockOffset(began, now time.Time) time.Duration {
	return now.Round(0).Sub(began.Round(0)) - now.Sub(began) // Round drops the monotonic reading
}

func (w *clockWatch) run(ctx context.Context) error {
	w.began = time.Now()
	tick := time.NewTicker(clockInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			now := time.Now()
			w.look(ctx, now, clockOffset(w.began, now))
		}
	}
}

// look publishes a step, if there was one since the last look.
func (w *clockWatch) look(ctx context.Context, now time.Time, offset time.Duration) {
	before := w.offset
	w.offset = offset
	step := offset - before
	if step.Abs() < clockThreshold {
		return
	}
	direction := event.ClockAhead
	if step < 0 {
		direction = event.ClockBack
	}
	w.log.WarnContext(ctx, "clock set", "direction", direction, "by", step.Abs().Round(time.Millisecond))
	w.publish(ctx, event.SubjectClock, event.ClockSet{
		Direction: direction, By: step.Abs().Seconds(), OffsetBefore: before.Seconds(), OffsetAfter: offset.Seconds(), Timestamp: unixSeconds(now),
	})
}
