package kvstore

import (
	"context"
	"errors"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
	"github.com/rosey-bot/rosey/kvstore/query"
)

// Updated is the outcome of an update.
type Updated struct {
	Matched  int // records that the update was for
	Changed  int // those among them that it made a difference to
	ID       event.ID
	Revision uint64 // of the record ID, when the update was for one
}

// Update changes fields of one record or of all that match a filter, each by
// compare-and-swap. A missing record is RECORD_NOT_FOUND. When it fails half
// way through a filter's records, the error's details say how many it changed.
func (s *Store) Update(ctx context.Context, req event.Update) (Updated, error) {
	changes, err := parseOps(req.Ops)
	if err != nil {
		return Updated{}, event.Errorf(event.InvalidInput, "%s: ops: %w", event.SubjectUpdate, err).With("field", "ops").With("collection", req.Collection)
	}
	if err := checkID(req.Collection, req.ID); err != nil {
		return Updated{}, err
	}
	if req.ID == "" {
		return s.updateAll(ctx, req, changes)
	}
	out := Updated{Matched: 1, ID: req.ID}
	err = s.with(ctx, "update", req.Collection, false, func(b *bucket) error {
		w, err := b.update(ctx, req.ID, nil, changes)
		out.Revision = w.Revision
		if w.changed {
			out.Changed = 1
		}
		return err
	})
	if errors.Is(err, errNoBucket) {
		err = notFound(req.Collection, req.ID)
	}
	return out, err
}

type updated struct {
	Written
	changed bool
}

// update changes a record, unless it does not match the filter (any more).
func (b *bucket) update(ctx context.Context, id event.ID, f *query.Filter, changes []change) (updated, error) {
	var out updated
	var scratch []byte
	var err error
	out.Written, err = b.modify(ctx, id, nil, false, func(record *jsondoc.Value) error {
		before := string(record.Document(id))
		if out.changed = f == nil || f.Matches(before, &scratch); !out.changed {
			return nil
		}
		for i := range changes {
			if err := changes[i].change(record); err != nil {
				return event.Errorf(event.InvalidInput, "record %s of collection %s: %w", id, b.collection, err).
					With("field", "ops").With("collection", b.collection).With("id", id)
			}
		}
		out.changed = string(record.Document(id)) != before
		return nil
	})
	out.changed = err == nil && (out.changed || out.Duplicate)
	return out, err
}

// updatesInFlight is how many records one update by filter changes at a time.
const updatesInFlight = 8

// updateAll changes and retries each record by itself, so that a failed write of one
// does not repeat the change of another.
func (s *Store) updateAll(ctx context.Context, req event.Update, changes []change) (Updated, error) {
	f, err := query.ParseFilter(req.Filter)
	if err != nil {
		return Updated{}, err
	}
	found, err := s.find(ctx, req.Collection, query.Query{Filter: f, AllIDs: true})
	if err != nil {
		return Updated{}, err
	}
	var changed atomic.Int64
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(updatesInFlight)
	for _, id := range found.IDs {
		if running.Err() != nil {
			break
		}
		group.Go(func() error {
			err := s.with(running, "update", req.Collection, false, func(b *bucket) error {
				w, err := b.update(WithPart(running, encodeKey(id)), id, &f, changes)
				if w.changed {
					changed.Add(1)
				}
				return err
			})
			if event.CodeOf(err) == event.RecordNotFound || errors.Is(err, errNoBucket) { // deleted meanwhile
				return nil
			}
			return err
		})
	}
	if err = group.Wait(); err == nil {
		err = ctx.Err()
	}
	out := Updated{Matched: len(found.IDs), Changed: int(changed.Load())}
	if err != nil {
		return out, event.AsError(s.failure("update", req.Collection, err), event.DatabaseError).With("changed", out.Changed)
	}
	return out, nil
}

// WithPart returns a context for a part of a request, with a message ID of its own.
func WithPart(ctx context.Context, part string) context.Context {
	if id := msgID(ctx); id != "" {
		return WithMsgID(ctx, id+"/"+part)
	}
	return ctx
}
