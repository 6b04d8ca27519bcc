package audit

import (
	"context"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

const (
	// firstWindow is how many events a page looks at before it looks at more,
	// twice as many each time up to lastWindow.
	firstWindow = 256
	lastWindow  = 16 << 10
	// leadIn is how many events before a window are read to find out whether the bot
	// was in the channel when the window begins.
	leadIn = 32
)

// Position is a place in the history from which a page is read: backwards from
// Before, or else forwards from After, which are sequences of the stream CYTUBE.
// With neither it is the end of the history.
type Position struct {
	Before, After uint64
	Oldest        bool // the page at the beginning of the stream
	Limit         int  // entries to find, about
	Scan          int  // events to look at, at most, about
}

// A Page is a part of the history, in its order.
type Page struct {
	Entries []Entry
	// First and Last are between which sequences the page lies, both inclusive:
	// the next pages are Before First and After Last.
	First, Last uint64
	Older       bool      // the stream holds more before First
	Newer       bool      // the stream holds more after Last
	Scanned     int       // events that were looked at
	Reached     time.Time // when the earliest of them was stored; zero if there were none
}

// ReadPage reads a part of the history without reading what lies before it, so
// it takes the same time whatever the stream holds. The query's Since and Until
// are not looked at. Errors are those of
// replay.Slice.
func ReadPage(ctx context.Context, js jetstream.JetStream, q Query, p Position) (Page, error) {
	first, last, err := replay.Bounds(ctx, js, streams.Cytube)
	if err != nil {
		return Page{}, err
	}
	r := pager{ctx: ctx, js: js, q: q, first: first}
	if p.After > 0 || p.Oldest {
		return r.forwards(p, last)
	}
	end := last + 1
	if p.Before > 0 {
		end = min(end, p.Before)
	}
	return r.backwards(p, end, last)
}

type pager struct {
	ctx   context.Context
	js    jetstream.JetStream
	q     Query
	first uint64
}

func (r *pager) backwards(p Position, end, last uint64) (Page, error) {
	page := Page{First: end, Last: end - 1, Newer: end <= last}
	for size := uint64(firstWindow); page.First > r.first && len(page.Entries) < p.Limit && page.Scanned < p.Scan; size = min(size*2, lastWindow) {
		from := r.first
		if page.First-r.first > size {
			from = page.First - size
		}
		entries, reached, err := r.window(from, page.First)
		if err != nil {
			return page, err
		}
		page.Scanned += int(page.First - from)
		page.First = from
		page.Entries = append(entries, page.Entries...)
		if !reached.IsZero() {
			page.Reached = reached
		}
	}
	if n := len(page.Entries) - p.Limit; n > 0 {
		page.Entries = page.Entries[n:]
		page.First = page.Entries[0].Ref.Seq
	}
	page.Older = page.First > r.first
	return page, nil
}

func (r *pager) forwards(p Position, last uint64) (Page, error) {
	page := Page{First: p.After + 1, Last: p.After}
	for size := uint64(firstWindow); page.Last < last && len(page.Entries) < p.Limit && page.Scanned < p.Scan; size = min(size*2, lastWindow) {
		to := min(last, page.Last+size)
		entries, reached, err := r.window(page.Last+1, to+1)
		if err != nil {
			return page, err
		}
		page.Scanned += int(to - page.Last)
		page.Last = to
		page.Entries = append(page.Entries, entries...)
		if page.Reached.IsZero() {
			page.Reached = reached
		}
	}
	if len(page.Entries) > p.Limit {
		page.Entries = page.Entries[:p.Limit]
		page.Last = page.Entries[p.Limit-1].Ref.Seq
	}
	page.Older, page.Newer = page.First > r.first, page.Last < last
	return page, nil
}

// window reads the entries of [from, to).
func (r *pager) window(from, to uint64) (entries []Entry, reached time.Time, err error) {
	wanted := subjects
	if r.q.Media {
		wanted = mediaSubjects
	}
	g, found := newGapTracker(r.q), false
	for e, err := range replay.Slice(r.ctx, r.js, streams.Cytube, wanted, max(r.first, from-min(from, leadIn)), to) {
		if err != nil {
			return nil, reached, err
		}
		if e.Subject == event.SubjectConnection && e.Ref.Seq >= from && !found {
			found = true
			err := g.findEnds(r.ctx, r.js, streams.Selection{From: e.Ref.Seq}, func(raw *jetstream.RawStreamMsg) bool { return raw.Sequence >= to })
			if err != nil {
				return nil, reached, err
			}
		}
		entry, show := g.observe(e)
		if e.Ref.Seq < from {
			continue
		}
		if reached.IsZero() {
			reached = e.At
		}
		if show {
			entries = append(entries, entry)
		}
	}
	return entries, reached, nil
}

// Follow returns what happens after a sequence of the stream CYTUBE, and goes on
// with what happens next, without a gap or a repeat, until ctx ends. Errors are
// those of replay.Tail. A gap has no end there: the bot's return is an entry of
// its own.
func Follow(ctx context.Context, js jetstream.JetStream, q Query, after uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		g := newGapTracker(q)
		for e, err := range replay.Slice(ctx, js, streams.Cytube, subjects, after+1-min(after, leadIn), after+1) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			g.observe(e)
		}
		for e, err := range replay.Tail(ctx, js, streams.Cytube, subjects, after) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			entry, show := g.observe(e)
			if show = show || entry.Kind == KindOnline && q.match(entry); show && !yield(entry, nil) {
				return
			}
		}
	}
}
