package kvstore

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/rosey-bot/rosey/event"
)

// leastRoom is what a query may keep of a collection that is read from disk, in
// bytes, however low the memory limit is.
const leastRoom = 8 << 20

// streamQuery answers a query from the bucket, record by record.
func (b *bucket) streamQuery(ctx context.Context, q query) (found, error) {
	room := max(b.store.memoryLimit/4, leastRoom)
	for range scanAttempts {
		out, err := b.streamOnce(ctx, q, room)
		if !errors.Is(err, errMoved) {
			return out, err
		}
	}
	return found{}, b.restless()
}

// streamOnce keeps no more in memory than there is room for. Where that is too
// little for the matches that can be on the page, it keeps what they are ordered by,
// and reads those that are on it in the end again.
func (b *bucket) streamOnce(ctx context.Context, q query, room int64) (found, error) {
	var c collector
	var e Explain
	err := b.scan(ctx, false, func(int) {
		c = collector{q: q, room: room, plan: &plan{residual: q.filter, filtered: len(q.filter.subs) > 0}}
		e = Explain{Plan: "stream", Filtered: c.plan.filtered, Sorted: true}
	}, func(id event.ID, entry entry) error {
		if entry.deleted() {
			return nil
		}
		r, err := newRow(id, entry.revision, entry.data)
		if err != nil {
			b.skipped(id, err)
			return nil
		}
		e.Records++
		c.examined++
		if c.test(r); c.full {
			return b.noRoom(q, room)
		}
		return nil
	})
	if err != nil {
		return found{}, err
	}
	e.Examined = c.examined
	out := found{rows: c.rows(), ids: c.ids, count: c.count, explain: e}
	c.top = nil
	return out, b.reread(ctx, q, out.rows, room)
}

// reread reads the data of the rows that it was not kept of, at the revision that
// they were found at: errMoved where that is gone.
func (b *bucket) reread(ctx context.Context, q query, rows []*row, room int64) error {
	var held atomic.Int64
	var bare []*row
	for _, r := range rows {
		if held.Add(int64(len(r.data))); r.data == "" {
			bare = append(bare, r)
		}
	}
	return each(ctx, len(bare), func(ctx context.Context, i int) error {
		r := bare[i]
		e, err := b.at(ctx, r.revision)
		if err != nil {
			return err
		}
		if e.subject != b.subject(r.id) {
			return errMoved
		}
		again, err := newRow(r.id, r.revision, e.data)
		if err != nil {
			return err
		}
		if r.data = again.data; held.Add(int64(len(r.data))) > room {
			return b.noRoom(q, room)
		}
		return nil
	})
}

func (b *bucket) noRoom(q query, room int64) error {
	refused := func(field, advice string) error {
		return event.Errorf(event.InvalidInput, "collection %s is larger than the memory limit, and what was asked for takes more than the %d bytes that a query of it may: %s", b.collection, room, advice).
			With("field", field).With("collection", b.collection)
	}
	switch {
	case q.all:
		return refused("filter", "change fewer records at a time")
	case q.offset > 0:
		return refused("offset", "filter for what comes after the last record that you have, instead of skipping it")
	default:
		return refused("limit", "ask for less at a time")
	}
}
