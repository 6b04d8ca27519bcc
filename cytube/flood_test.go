package cytube

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// serverLimit counts lines the way the server was seen to: a silence of the
// cooldown starts over, then comes the burst, then a steady pace.
type serverLimit struct {
	count int
	last  time.Time
}

func (s *serverLimit) take(f flood, now time.Time) bool {
	since := now.Sub(s.last)
	switch {
	case s.last.IsZero() || since > seconds(f.cooldown):
		s.count = 1
	case s.count < f.burst:
		s.count++
	case since < seconds(1/f.sustained):
		return false
	}
	s.last = now
	return true
}

// Whatever is said, and however long it takes to the server, a message that is
// sent when the pacer says so is not refused. An emote counts twice.
func TestPacerIsNeverRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFlood(float64(rapid.IntRange(2, 20).Draw(t, "burst")), rapid.Float64Range(0.2, 20).Draw(t, "sustained"), nil)
		if rapid.Bool().Draw(t, "own cooldown") {
			f.cooldown = rapid.Float64Range(0, 20).Draw(t, "cooldown")
		}
		var p pacer
		var server serverLimit
		now, arrived := time.Now(), time.Time{}
		for i := range rapid.IntRange(1, 60).Draw(t, "messages") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "pause")) * time.Millisecond)
			lines := rapid.IntRange(1, 2).Draw(t, "lines")
			if at := p.next(f, lines); at.After(now) {
				now = at
			}
			p.sent(f, lines, now)
			arrives := now.Add(time.Duration(rapid.IntRange(0, int(slack/time.Millisecond)-1).Draw(t, "way")) * time.Millisecond)
			if arrives.Before(arrived) {
				arrives = arrived // frames do not overtake
			}
			arrived = arrives
			for range lines {
				if !server.take(f, arrived) {
					t.Fatalf("message %d of %d lines was refused under %+v", i, lines, f)
				}
			}
		}
	})
}

// A pacer does not wait where the server would not have it wait.
func TestPacerUsesTheBurst(t *testing.T) {
	t.Parallel()
	var p pacer
	now := time.Now()
	for i := range moderators.burst {
		if at := p.next(moderators, 1); at.After(now) {
			t.Fatalf("line %d must wait %s", i+1, at.Sub(now))
		}
		p.sent(moderators, 1, now)
	}
	wait := p.next(moderators, 1).Sub(now)
	if wait <= 100*time.Millisecond || wait > 200*time.Millisecond {
		t.Errorf("the line after the burst waits %s", wait)
	}
	now = now.Add(seconds(moderators.cooldown) + 2*slack)
	p.sent(moderators, 1, now)
	if at := p.next(moderators, 1); at.After(now) {
		t.Error("a silence did not give the burst back")
	}
}

func TestNewFloodBoundsNonsense(t *testing.T) {
	t.Parallel()
	for _, params := range [][2]float64{{0, 0}, {-1, -1}, {1e300, 1e300}, {1, 1e-300}} {
		f := newFlood(params[0], params[1], nil)
		if f.burst < 1 || f.sustained <= 0 || f.cooldown < 0 || seconds(f.cooldown) < 0 || seconds(1/f.sustained) <= 0 {
			t.Errorf("%v makes %+v", params, f)
		}
	}
}
