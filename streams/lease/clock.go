package lease

import (
	"time"
)

// instant is a time by two clocks. The monotonic one stands still while the machine is
// suspended, and the other one may be set: whichever is ahead counts.
type instant struct{ monotonic, wall time.Time }

func now() instant {
	t := time.Now()
	return instant{t, t.Round(0)}
}

func (i instant) add(d time.Duration) instant { return instant{i.monotonic.Add(d), i.wall.Add(d)} }

// sub returns the shorter of the times from j to i.
func (i instant) sub(j instant) time.Duration {
	return min(i.monotonic.Sub(j.monotonic), i.wall.Sub(j.wall))
}
