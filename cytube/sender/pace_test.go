package sender

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/cytube/channel"
)

// serverLimit counts lines the way the server was seen to: a silence of the
// cooldown starts over, then comes the burst, then a steady pace.
type serverLimit struct {
	count int
	last  time.Time
}

func (s *serverLimit) take(f channel.FloodLimit, now time.Time) bool {
	since := now.Sub(s.last)
	switch {
	case s.last.IsZero() || since > f.Cooldown:
		s.count = 1
	case s.count < f.Burst:
		s.count++
	case since < time.Duration(float64(time.Second)/f.PerSecond):
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
		f := channel.NewFloodLimit(float64(rapid.IntRange(2, 20).Draw(t, "burst")), rapid.Float64Range(0.2, 20).Draw(t, "sustained"), nil)
		if rapid.Bool().Draw(t, "own cooldown") {
			f.Cooldown = time.Duration(rapid.Float64Range(0, 20).Draw(t, "cooldown") * float64(time.Second))
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
	for i := range channel.ModeratorLimit.Burst {
		if at := p.next(channel.ModeratorLimit, 1); at.After(now) {
			t.Fatalf("line %d must wait %s", i+1, at.Sub(now))
		}
		p.sent(channel.ModeratorLimit, 1, now)
	}
	wait := p.next(channel.ModeratorLimit, 1).Sub(now)
	if wait <= 100*time.Millisecond || wait > 200*time.Millisecond {
		t.Errorf("the line after the burst waits %s", wait)
	}
	now = now.Add(channel.ModeratorLimit.Cooldown + 2*slack)
	p.sent(channel.ModeratorLimit, 1, now)
	if at := p.next(channel.ModeratorLimit, 1); at.After(now) {
		t.Error("a silence did not give the burst back")
	}
}
