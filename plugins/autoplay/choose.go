package autoplay

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rosey-bot/rosey/plugins"
)

// rules say which media may be filler.
type rules struct {
	now     time.Time
	repeat  time.Duration   // since they played
	longest time.Duration   // 0 for any length
	on      map[string]bool // the URLs on the playlist
	loosen  bool            // the rules that may be, where nothing keeps them
}

// The reasons for which media are no filler.
const (
	isThere = "there" // on the playlist
	isGone  = "gone"  // set aside
	isDown  = "down"  // failing for now
	isFresh = "fresh" // played lately
	isLong  = "long"
)

// against returns why media may not be filler, "" if they may.
func (r rules) against(m Media) string {
	switch {
	case r.on[m.URL]:
		return isThere
	case m.Gone != "":
		return isGone
	case m.Retry > r.now.Unix():
		return isDown
	case r.longest > 0 && time.Duration(m.Duration)*time.Second > r.longest:
		return isLong
	case m.Last > r.now.Add(-r.repeat).Unix():
		return isFresh
	}
	return ""
}

// choose returns the filler among media: the less of it was skipped, the likelier. Where the
// rules leave none and may be loosened, it is what played longest ago, then what is shortest;
// what is gone, fails or is on the playlist is never chosen. Else it returns why there is none.
func choose(list []Media, r rules, chance *rand.Rand) (m Media, why barred) {
	var free, fresh, long []Media
	count := barred{}
	for _, m := range list {
		reason := r.against(m)
		count[reason]++
		switch reason {
		case "":
			free = append(free, m)
		case isFresh:
			fresh = append(fresh, m)
		case isLong:
			long = append(long, m)
		}
	}
	switch {
	case len(free) > 0:
		return weighted(free, chance), nil
	case r.loosen && len(fresh) > 0:
		return slices.MinFunc(fresh, func(a, b Media) int { return cmp.Or(cmp.Compare(a.Last, b.Last), cmp.Compare(a.URL, b.URL)) }), nil
	case r.loosen && len(long) > 0:
		return slices.MinFunc(long, func(a, b Media) int { return cmp.Or(cmp.Compare(a.Duration, b.Duration), cmp.Compare(a.URL, b.URL)) }), nil
	}
	return Media{}, count
}

// barred counts media that may not be filler by the reason. It is nil where one may.
type barred map[string]int

// tell returns why there is no filler, as text, "" if there is.
func (b barred) tell(c *plugins.Context, s Settings) string {
	if b == nil {
		return ""
	}
	total := 0
	var reasons []string
	for _, reason := range []string{isThere, isFresh, isLong, isDown, isGone} {
		if n := b[reason]; n > 0 {
			total += n
			reasons = append(reasons, c.Render(s.Barred, plugins.Values{"count": n, "why": reason}))
		}
	}
	return c.Render(s.NoFiller, plugins.Values{"count": total, "reasons": reasons})
}

// weighted returns one of media by chance.
func weighted(list []Media, chance *rand.Rand) Media {
	total := 0.0
	for _, m := range list {
		total += m.weight()
	}
	at := chance.Float64() * total
	for _, m := range list {
		if at -= m.weight(); at < 0 {
			return m
		}
	}
	return list[len(list)-1]
}

// weight is how likely media are to be chosen: what was always skipped has some, too.
func (m Media) weight() float64 { return (1 - m.score()) * (1 - m.score()) }

// score returns how much of it is skipped, 0 to 1: a half of what nobody knows yet.
func (m Media) score() float64 { return (float64(m.Skips) + 0.5) / float64(m.Plays+m.Skips+1) }

// failed returns media that failed for a reason that passes, and are tried again later: the
// longer the more often they failed.
func (m Media) failed(now time.Time) Media {
	m.Fails++
	m.Retry = now.Add(backoff(m.Fails, time.Minute, 6*time.Hour)).Unix()
	return m
}

// backoff returns the pause after a number of failures in a row.
func backoff(fails int, least, most time.Duration) time.Duration {
	return min(least<<min(max(fails-1, 0), 20), most)
}
