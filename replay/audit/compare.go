package audit

import (
	"slices"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// compare finds the differences between what was sealed and what is stored.
func (r *Report) compare(sealed, stored []sealLine, e explainer) {
	i, j := 0, 0
	shift := uint64(0) // by how much the events are moved; wraps round for less
	for _, m := range append(matches(sealed, stored), match{len(sealed), len(stored)}) {
		r.compareRun(sealed[i:m.i], stored[j:m.j], shift, e)
		if m.i < len(sealed) {
			r.Intact++
			shift = stored[m.j].Seq - sealed[m.i].Seq
			i, j = m.i+1, m.j+1
		}
	}
}

// compareRun reports a run of events none of which is as it was.
func (r *Report) compareRun(sealed, stored []sealLine, shift uint64, e explainer) {
	for len(sealed) > 0 || len(stored) > 0 {
		switch {
		case len(stored) == 0 || len(sealed) > 0 && sealed[0].Seq+shift < stored[0].Seq:
			kind, detail := e.missing(sealed[0])
			r.add(kind, sealed[0], detail)
			sealed = sealed[1:]
		case len(sealed) == 0 || stored[0].Seq < sealed[0].Seq+shift:
			r.add(Inserted, stored[0], "the event was not there when the range was sealed")
			stored = stored[1:]
		default:
			r.add(Altered, sealed[0], "sealed with digest "+sealed[0].Digest+", stored with "+stored[0].Digest)
			sealed, stored = sealed[1:], stored[1:]
		}
	}
}

func (r *Report) add(kind string, l sealLine, detail string) {
	at, _ := time.Parse(time.RFC3339Nano, l.At)
	r.Findings = append(r.Findings, Finding{kind, event.Ref{Stream: r.Stream, Seq: l.Seq}, at, detail})
}

// A match is an event that is the same in both lists, by its places there.
type match struct{ i, j int }

// matches finds the longest run of events that are in both lists in the same
// order. Sequences do not count: who puts an event into a copy of a stream moves
// all those after it.
func matches(sealed, stored []sealLine) []match {
	where := make(map[string]int, len(stored))
	for j, l := range stored {
		where[l.Digest] = j
	}
	// Longest increasing subsequence of the places: tails[n] ends the best run of
	// n+1 matches so far, and before[k] is the match that comes before match k.
	var all []match
	var tails, before []int
	for i, l := range sealed {
		j, ok := where[l.Digest]
		if !ok {
			continue
		}
		n, _ := slices.BinarySearchFunc(tails, j, func(k, j int) int { return all[k].j - j })
		previous := -1
		if n > 0 {
			previous = tails[n-1]
		}
		all, before = append(all, match{i, j}), append(before, previous)
		if n == len(tails) {
			tails = append(tails, len(all)-1)
		} else {
			tails[n] = len(all) - 1
		}
	}
	run := make([]match, len(tails))
	if len(tails) == 0 {
		return nil
	}
	for n, k := len(tails)-1, tails[len(tails)-1]; n >= 0; n, k = n-1, before[k] {
		run[n] = all[k]
	}
	return run
}
