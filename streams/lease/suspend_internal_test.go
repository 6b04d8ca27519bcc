package lease

import (
	"testing"
	"time"
)

// A holder whose machine was suspended, for which the monotonic clock stands still, or
// whose clock was set back, holds its lease no longer than its term.
func TestValidAfterASuspend(t *testing.T) {
	t.Parallel()
	const term = 15 * time.Second
	for name, c := range map[string]struct {
		monotonic, wall time.Duration // what the clocks went on
		valid           bool
	}{
		"at once":                    {0, 0, true},
		"soon":                       {5 * time.Second, 5 * time.Second, true},
		"suspended for an hour":      {0, time.Hour, false},
		"suspended, then on for 1 s": {time.Second, 13 * time.Second, false},
		"clock set back":             {13 * time.Second, -time.Hour, false},
		"late":                       {13 * time.Second, 13 * time.Second, false},
	} {
		start := now()
		l := &Lease{Leases: &Leases{term: term}}
		l.extend(start)
		l.now = func() instant { return instant{start.monotonic.Add(c.monotonic), start.wall.Add(c.wall)} }
		if l.Valid() != c.valid {
			t.Errorf("%s: valid is %t", name, l.Valid())
		}
	}
}
