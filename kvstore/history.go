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

// asRevision returns the entry as a client sees it.
func (e entry) asRevision() (r Revision, err error) {
	r = Revision{Revision: e.revision, Time: e.time, Deleted: e.deleted(), Data: json.RawMessage("null"),
		CorrelationID: e.header.Get(propagation.HeaderCorrelation), MsgID: e.header.Get(jetstream.MsgIDHeader)}
	if !r.Deleted {
		r.Data, err = e.document()
	}
	return r, err
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
			r, err := e.asRevision()
			if err != nil {
				return corrupt(collection, id, err)
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
