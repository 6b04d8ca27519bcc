package kvstore

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Revision is a record as one write left it.
type Revision struct {
	Revision      uint64          `json:"revision"`
	Time          time.Time       `json:"time"`
	Deleted       bool            `json:"deleted"`
	Data          json.RawMessage `json:"data"` // null when deleted
	CorrelationID string          `json:"correlation_id"`
	MsgID         string          `json:"msg_id,omitempty"`
}

// History lists the revisions of a record that are kept, the oldest first, with
// the correlation ID of the request that made each. A record that never was is
// RECORD_NOT_FOUND; a deleted one has a history.
func (s *Store) History(ctx context.Context, collection string, id event.ID) ([]Revision, error) {
	if err := checkID(collection, id); err != nil {
		return nil, err
	}
	var out []Revision
	err := s.with(ctx, "history", collection, false, func(b *bucket) error {
		out = nil
		for from := uint64(1); ; {
			e, err := b.next(ctx, b.subject(id), from)
			if err != nil {
				return err
			}
			if e.revision == 0 {
				break
			}
			r := Revision{Revision: e.revision, Time: e.time, Deleted: e.deleted(), Data: json.RawMessage("null"),
				CorrelationID: e.header.Get(propagation.HeaderCorrelation), MsgID: e.header.Get(jetstream.MsgIDHeader)}
			if !r.Deleted {
				if r.Data, err = canonical(e.data, id); err != nil {
					return corrupt(collection, id, err)
				}
			}
			out = append(out, r)
			from = e.revision + 1
		}
		if len(out) == 0 {
			return notFound(collection, id)
		}
		return nil
	})
	if errors.Is(err, errNoBucket) {
		err = notFound(collection, id)
	}
	return out, err
}

// count sets the number of a collection's records.
func (s *Store) count(ctx context.Context, c *Collection) error {
	err := s.with(ctx, "count", c.Name, false, func(b *bucket) error {
		if v := b.queries.current(); v != nil && v.catchUp(ctx, b) == nil {
			v.mu.RLock()
			c.Count = v.primary.tree.Len()
			v.mu.RUnlock()
			return nil
		}
		return b.scan(ctx, true, func(int) { c.Count = 0 }, func(_ event.ID, e entry) error {
			if !e.deleted() {
				c.Count++
			}
			return nil
		})
	})
	if errors.Is(err, errNoBucket) {
		return nil // deleted since it was listed
	}
	return err
}

// Compact forgets the records that were deleted longer ago than age, history and
// all. Their numbers are still not given again. It returns how many there were.
func (s *Store) Compact(ctx context.Context, collection string, age time.Duration) (int, error) {
	removed := 0
	err := s.with(ctx, "compact", collection, false, func(b *bucket) error {
		var markers []entry
		err := b.scan(ctx, true, func(int) { markers = nil }, func(_ event.ID, e entry) error {
			if e.deleted() && time.Since(e.time) >= age {
				markers = append(markers, e)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range markers {
			// Only up to the marker: the record may exist again.
			if err := b.stream.Purge(ctx, jetstream.WithPurgeSubject(e.subject), jetstream.WithPurgeSequence(e.revision+1)); err != nil {
				return err
			}
			removed++
		}
		return nil
	})
	if errors.Is(err, errNoBucket) {
		return 0, nil
	}
	return removed, err
}
