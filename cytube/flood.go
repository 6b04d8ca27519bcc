package cytube

import (
	"math"
	"time"
)

// flood is one of the server's limits for chat: after burst lines, lines must be
// 1/sustained seconds apart, and only a silence of cooldown seconds gives the
// burst back. Zero is no limit.
type flood struct {
	burst               int
	sustained, cooldown float64
}

// moderators is the limit of moderators, of private messages, and of channels
// that set none of their own.
var moderators = flood{burst: 20, sustained: 10, cooldown: 2}

// newFlood makes a limit of what a channel says, within reason.
func newFlood(burst, sustained float64, cooldown *float64) flood {
	f := flood{burst: int(math.Min(math.Max(burst, 1), 1000)), sustained: math.Min(math.Max(sustained, 0.01), 1000)}
	f.cooldown = float64(f.burst) / f.sustained
	if cooldown != nil {
		f.cooldown = math.Min(math.Max(*cooldown, 0), 3600)
	}
	return f
}

// within is the stricter of two limits in everything; one of them may be none.
func (f flood) within(g flood) flood {
	switch (flood{}) {
	case f:
		return g
	case g:
		return f
	}
	return flood{burst: min(f.burst, g.burst), sustained: min(f.sustained, g.sustained), cooldown: max(f.cooldown, g.cooldown)}
}

// pacer knows when the server will take the next line. It counts as the server
// does, which is no token bucket: a bucket fills up while one speaks slowly, the
// server's count does not, and an emote, which it counts twice, would be refused
// again and again.
type pacer struct {
	count int
	last  time.Time
}

// slack makes up for the way to the server: lines arrive closer together than
// they were sent.
const slack = 20 * time.Millisecond

// next is when a message that the server counts as so many lines may be sent.
func (p *pacer) next(f flood, lines int) time.Time {
	silence := p.last.Add(seconds(f.cooldown) + slack)
	switch {
	case p.last.IsZero() || p.count+lines <= f.burst:
		return p.last
	case lines > 1: // the second would follow at once
		return silence
	}
	if steady := p.last.Add(seconds(1.05/f.sustained) + slack); steady.Before(silence) {
		return steady
	}
	return silence
}

// sent counts a message that was sent at now.
func (p *pacer) sent(f flood, lines int, now time.Time) {
	if !p.last.IsZero() && now.Sub(p.last) > seconds(f.cooldown)+slack {
		p.count = 0
	}
	p.count = min(p.count+lines, max(f.burst, lines))
	p.last = now
}

// refused takes note that the server's count is full.
func (p *pacer) refused(f flood, now time.Time) { p.count, p.last = f.burst, now }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
