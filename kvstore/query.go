package kvstore

import (
	"context"
	"errors"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/query"
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
