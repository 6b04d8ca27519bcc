package localserver

import (
	"time"

	"golang.org/x/time/rate"
)

// newBucket returns the token bucket that CyTube counts connections and events with.
func newBucket(l Limit) *rate.Limiter {
	if l.Burst <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(l.PerSecond), l.Burst)
}

// limiter is what CyTube counts chat lines with. It is not a token bucket: only
// a silence as long as the cooldown gives the burst back, and once the burst is
// used up lines must be 1/Sustained apart. A refused line changes nothing.
type limiter struct {
	count int
	last  time.Time
}

// everybody is the limit of channels without flood control, and of moderators
// and private messages everywhere.
var everybody = Flood{Burst: 20, Sustained: 10}

func (l *limiter) take(now time.Time, f Flood) bool {
	silence := now.Sub(l.last).Seconds()
	switch {
	case l.last.IsZero() || silence > f.cooldown():
		l.count = 1
	case l.count < f.Burst:
		l.count++
	case silence < 1/f.Sustained:
		return false
	}
	l.last = now
	return true
}

func (f Flood) cooldown() float64 {
	if f.Cooldown == 0 {
		return float64(f.Burst) / f.Sustained
	}
	return f.Cooldown
}

// Wait returns what the cooldown frame says, in ms.
func (f Flood) Wait() float64 { return 1000 / f.Sustained }
