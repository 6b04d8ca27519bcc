package localserver

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The figures are those measured on a real server.
func TestFloodControl(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	channel := Flood{Burst: 4, Sustained: 1, Cooldown: 4}
	tests := []struct {
		name         string
		flood        Flood
		lines        int
		apart        time.Duration
		least, atMax int // accepted
	}{
		{"off, 40 at once", everybody, 40, 0, 20, 20},
		{"off, 20 a second", everybody, 60, 50 * ms, 40, 40},
		{"off, 9 a second", everybody, 100, 111 * ms, 100, 100},
		{"on, 20 at once", channel, 20, 0, 4, 4},
		{"on, paced", channel, 20, 1050 * ms, 20, 20},
		{"on, two a second", channel, 24, 500 * ms, 14, 14},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var l limiter
			now, accepted := time.Now(), 0
			for range tt.lines {
				if l.take(now, tt.flood) {
					accepted++
				}
				now = now.Add(tt.apart)
			}
			if accepted < tt.least || accepted > tt.atMax {
				t.Errorf("accepted %d of %d, want %d to %d", accepted, tt.lines, tt.least, tt.atMax)
			}
		})
	}
}

func TestARefusedLineDoesNotLengthenTheWait(t *testing.T) {
	t.Parallel()
	f := Flood{Burst: 2, Sustained: 1, Cooldown: 4}
	var l limiter
	now := time.Now()
	for range 2 {
		l.take(now, f)
	}
	for range 9 {
		now = now.Add(100 * time.Millisecond)
		if l.take(now, f) {
			t.Fatal("a line past the burst was accepted within a second")
		}
	}
	if !l.take(now.Add(101*time.Millisecond), f) {
		t.Fatal("refused a second after the last accepted line")
	}
}

// An emote counts as two lines. Once the burst is used up, only a silence as long
// as the cooldown makes room for it, and trying breaks the silence: its first
// half is accepted.
func TestAnEmotePastTheBurstNeedsASilence(t *testing.T) {
	t.Parallel()
	var l limiter
	now := time.Now()
	emote := func() bool { // costs two lines
		first := l.take(now, everybody)
		return first && l.take(now, everybody)
	}
	for i := range 10 {
		if !emote() {
			t.Fatalf("emote %d refused", i)
		}
	}
	for range 100 {
		if emote() {
			t.Fatal("accepted without a silence")
		}
		now = now.Add(100 * time.Millisecond)
	}
	now = now.Add(2 * time.Second)
	if !emote() {
		t.Fatal("refused after a silence")
	}
}

// Whatever the rhythm, no more than the burst and the sustained rate get through
// between two silences of the cooldown.
func TestFloodControlHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := Flood{
			Burst:     rapid.IntRange(1, 20).Draw(t, "burst"),
			Sustained: float64(rapid.IntRange(1, 10).Draw(t, "sustained")),
			Cooldown:  float64(rapid.IntRange(0, 5).Draw(t, "cooldown")),
		}
		var l limiter
		begin := time.Now()
		now, accepted := begin, 0
		last := begin
		for _, gap := range rapid.SliceOf(rapid.IntRange(0, 500)).Draw(t, "gaps") {
			now = now.Add(time.Duration(gap) * time.Millisecond)
			if now.Sub(last).Seconds() > f.cooldown() {
				begin, accepted = now, 0
			}
			if l.take(now, f) {
				accepted++
				last = now
			}
			if most := f.Burst + int(now.Sub(begin).Seconds()*f.Sustained); accepted > most {
				t.Fatalf("%d lines in %s, want at most %d", accepted, now.Sub(begin), most)
			}
		}
	})
}

func TestBucket(t *testing.T) {
	t.Parallel()
	b := newBucket(Limit{Burst: 2, PerSecond: 1})
	now := time.Now()
	for i, want := range []bool{true, true, false} {
		if got := b.AllowN(now, 1); got != want {
			t.Errorf("take %d: %v", i, got)
		}
	}
	if b.AllowN(now.Add(900*time.Millisecond), 1) {
		t.Error("filled too soon")
	}
	if !b.AllowN(now.Add(1100*time.Millisecond), 1) {
		t.Error("not filled after a second")
	}
	if !newBucket(Limit{}).AllowN(now, 1) {
		t.Error("no limit is a limit")
	}
}
