package audit

import (
	"context"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

const (
	// firstWindow is how many events a page looks at before it looks at more,
	// twice as many each time up to lastWindow.
	firstWindow = 256
	lastWindow  = 16 << 10
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
	presence, err := readPresence(ctx, js, q)
	if err != nil {
		return Page{}, err
	}
	r := pager{presence, ctx, first}
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
	*presence
	ctx   context.Context
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
	for e, err := range replay.Slice(r.ctx, r.js, streams.Cytube, r.q.subjects(), from, to) {
		if err != nil {
			return nil, reached, err
		}
		if reached.IsZero() {
			reached = e.At
		}
		entry, show, err := r.observe(r.ctx, e)
		if err != nil {
			return nil, reached, err
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
		for e, err := range replay.Tail(ctx, js, streams.Cytube, q.subjects(), after) {
			entry := newEntry(e)
			show := entry.Kind != KindRetry && q.match(entry, e)
			if entry.Kind == KindOnline || entry.Kind == KindGap {
				entry, show, err = followConnection(ctx, js, q, entry, e)
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if show && !yield(entry, nil) {
				return
			}
		}
	}
}

func followConnection(ctx context.Context, js jetstream.JetStream, q Query, e Entry, of replay.Event) (Entry, bool, error) {
	p, err := readPresence(ctx, js, q)
	if err != nil {
		return e, false, err
	}
	c := p.bySequence[e.Ref.Seq]
	switch {
	case c == nil:
		return e, false, nil
	case c.Kind == KindGap:
		return e, true, nil
	case c.previous.away():
		return e, q.match(e, of), nil
	}
	return p.entry(ctx, e.Ref.Seq)
}
