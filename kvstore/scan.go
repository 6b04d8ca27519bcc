package kvstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/query"
	"github.com/rosey-bot/rosey/streams"
)

// revisions returns the revision of every record.
func (b *bucket) revisions(ctx context.Context) (map[event.ID]uint64, error) {
	revisions := map[event.ID]uint64{}
	err := b.lastEntries(ctx, func() { clear(revisions) }, func(e entry) {
		if e.deleted() {
			delete(revisions, e.id)
		} else {
			revisions[e.id] = e.revision
		}
	})
	return revisions, err
}

// scan calls f once with the entry of each of these records, or with a newer one of
// it, in the order in which they were written, and leaves out what was deleted
// meanwhile. It removes from revisions what it is done with.
func (b *bucket) scan(ctx context.Context, revisions map[event.ID]uint64, f func(e entry) error) error {
	for msg, err := range streams.Messages(ctx, b.store.js, streams.Selection{Stream: streamName(b.collection)}) {
		if err != nil {
			return err
		}
		if e := b.entry(msg); revisions[e.id] == e.revision {
			delete(revisions, e.id)
			if err := f(e); err != nil {
				return err
			}
		}
	}
	// What is left was pushed out by newer revisions, which come behind all others.
	var newer []entry
	for id := range revisions {
		e, err := b.last(ctx, b.subject(id))
		if err != nil {
			return err
		}
		if e.live() == 0 {
			delete(revisions, id)
		} else {
			newer = append(newer, e)
		}
	}
	slices.SortFunc(newer, func(x, y entry) int { return cmp.Compare(x.revision, y.revision) })
	for _, e := range newer {
		delete(revisions, e.id)
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// minScanBudget is what a query may keep of a collection that is read from disk, in
// bytes, however low the memory limit is.
const minScanBudget = 8 << 20

// scanQuery answers a query from the bucket, record by record.
func (b *bucket) scanQuery(ctx context.Context, q query.Query, revisions map[event.ID]uint64, budget int64) (query.Result, error) {
	s := query.NewScan(q, budget)
	err := b.scan(ctx, revisions, func(e entry) error {
		if r := b.row(e); r != nil {
			return s.Add(r)
		}
		return nil
	})
	if err != nil {
		return query.Result{}, err
	}
	return s.Result(), nil
}
