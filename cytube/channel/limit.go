package channel

import (
	"math"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// FloodLimit is one of the server's limits for chat: after Burst lines, lines must
// be 1/PerSecond seconds apart, and only a silence of Cooldown gives the burst
// back. The zero FloodLimit is no limit.
type FloodLimit struct {
	Burst     int
	PerSecond float64
	Cooldown  time.Duration
}

// ModeratorLimit is the limit of moderators, of private messages, and of channels
// that set none of their own.
var ModeratorLimit = FloodLimit{Burst: 20, PerSecond: 10, Cooldown: 2 * time.Second}

// NewFloodLimit returns a limit with each value brought into a sane range. Without
// a cooldown, which is in seconds, it is the time in which the burst refills.
func NewFloodLimit(burst, perSecond float64, cooldown *float64) FloodLimit {
	l := FloodLimit{Burst: int(clamp(burst, 1, 1000)), PerSecond: clamp(perSecond, 0.01, 1000)}
	seconds := float64(l.Burst) / l.PerSecond
	if cooldown != nil {
		seconds = clamp(*cooldown, 0, 3600)
	}
	l.Cooldown = time.Duration(seconds * float64(time.Second))
	return l
}

func clamp(v, low, high float64) float64 { return math.Min(math.Max(v, low), high) }

// Stricter returns the limit that keeps to both l and m.
func (l FloodLimit) Stricter(m FloodLimit) FloodLimit {
	switch (FloodLimit{}) {
	case l:
		return m
	case m:
		return l
	}
	return FloodLimit{Burst: min(l.Burst, m.Burst), PerSecond: min(l.PerSecond, m.PerSecond), Cooldown: max(l.Cooldown, m.Cooldown)}
}

// FloodLimit returns how fast the bot may chat with the rank that it has.
func (s *State) FloodLimit() FloodLimit {
	if s.rank >= 2 || s.floodLimit == (FloodLimit{}) {
		return ModeratorLimit
	}
	return s.floodLimit
}

func (s *State) options(f *fold) error {
	o, err := read[wireOptions](f.args)
	if err == nil {
		err = s.setValues(f, event.SubjectOptions)
	}
	if err != nil {
		return err
	}
	s.floodLimit = FloodLimit{}
	if o.AntiFlood {
		s.floodLimit = NewFloodLimit(o.Params.Burst, o.Params.Sustained, o.Params.Cooldown)
	}
	return nil
}
