package sender

import (
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
)

// pacer knows when the server takes the next line. It counts as the server does,
// which is no token bucket: a bucket refills while one chats slowly, the server's
// count does not, and an emote, which counts twice, would be refused each time.
type pacer struct {
	count int
	last  time.Time
}

// slack allows for the network: lines can arrive closer together than they left.
const slack = 20 * time.Millisecond

// next returns when a message that counts as so many lines may be sent.
func (p *pacer) next(l channel.FloodLimit, lines int) time.Time {
	silence := p.last.Add(l.Cooldown + slack)
	switch {
	case p.last.IsZero() || p.count+lines <= l.Burst:
		return p.last
	case lines > 1: // the second would follow at once
		return silence
	}
	interval := time.Duration(1.05 / l.PerSecond * float64(time.Second))
	if steady := p.last.Add(interval + slack); steady.Before(silence) {
		return steady
	}
	return silence
}

// sent counts a message that was sent at now.
func (p *pacer) sent(l channel.FloodLimit, lines int, now time.Time) {
	if !p.last.IsZero() && now.Sub(p.last) > l.Cooldown+slack {
		p.count = 0
	}
	p.count = min(p.count+lines, max(l.Burst, lines))
	p.last = now
}

// refused counts the server's burst as used up.
func (p *pacer) refused(l channel.FloodLimit, now time.Time) { p.count, p.last = l.Burst, now }
