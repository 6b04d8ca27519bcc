package kvstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/query"
	"github.com/rosey-bot/rosey/streams"
)

// Query finds records (contract: database.query). It sees every write that was
// acknowledged before it was called, whoever made it. A missing collection has
// no records. The rows of the result must not be changed.
func (s *Store) Query(ctx context.Context, req event.Query) (query.Result, error) {
	q, err := query.Parse(req)
	if err != nil {
		return query.Result{}, err
	}
	result, err := s.find(ctx, req.Collection, q)
	if left := result.Count - q.Offset; err == nil && req.Limit != nil && *req.Limit > query.MaxLimit && left > query.MaxLimit {
		return query.Result{}, event.Errorf(event.InvalidInput, "limit %d asks for %d records, and an answer has at most %d: ask for the rest with an offset", *req.Limit, min(left, *req.Limit), query.MaxLimit).
			With("field", "limit").With("collection", req.Collection)
	}
	return result, err
}

func (s *Store) find(ctx context.Context, collection string, q query.Query) (query.Result, error) {
	start := time.Now()
	var out query.Result
	err := s.with(ctx, "query", collection, false, func(b *bucket) (err error) {
		out, err = b.query(ctx, q)
		return err
	})
	if errors.Is(err, errNoBucket) {
		return query.Result{Explain: query.Explain{Plan: "scan"}}, nil
	}
	out.Explain.Duration = float64(time.Since(start).Microseconds()) / 1e3
	return out, err
}

// query answers a query from memory, or from disk where the collection is too large
// for that.
func (b *bucket) query(ctx context.Context, q query.Query) (query.Result, error) {
	for {
		v, err := b.views.current(ctx)
		if err == nil {
			return v.Run(ctx, q)
		}
		if !errors.Is(err, errTooLarge) {
			return query.Result{}, err
		}
		revisions, err := b.revisions(ctx)
		if err != nil {
			return query.Result{}, err
		}
		if !b.views.shrunk(len(revisions)) {
			return b.scanQuery(ctx, q, revisions, max(b.store.memoryLimit/4, minScanBudget))
		}
	}
}

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
	// What is left was pushed out by newer revisions, which come after all others.
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
