package kvstore

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
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

// A Change is one write to a collection that its history keeps.
type Change struct {
	ID event.ID
	Revision
}

// Changes calls f with every revision of every record that a collection keeps,
// in the order in which they were written, up to when it was called. Records
// that something else wrote and that cannot be read are passed over. Kept is how
// many revisions the collection keeps of one record: one that has as many may
// have had more. A collection that does not exist has no changes. Nothing is
// changed, which a Store might do to bring a bucket up to date.
func Changes(ctx context.Context, js jetstream.JetStream, collection string, f func(Change) error) (kept int, err error) {
	if err := checkCollection(collection); err != nil {
		return 0, err
	}
	stream, err := js.Stream(ctx, streamName(collection))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	s := &Store{js: js, settings: settings{log: slog.New(slog.DiscardHandler)}}
	if err == nil {
		b := &bucket{store: s, collection: collection, stream: stream, prefix: "$KV." + BucketPrefix + collection + "."}
		kept, err = int(stream.CachedInfo().Config.MaxMsgsPerSubject), b.changes(ctx, f)
	}
	if err != nil {
		return kept, s.failure("read the changes of", collection, err)
	}
	return kept, nil
}

func (b *bucket) changes(ctx context.Context, f func(Change) error) error {
	for msg, err := range streams.Messages(ctx, b.store.js, streams.Selection{Stream: streamName(b.collection)}) {
		if err != nil {
			return err
		}
		e := b.entry(msg)
		if e.id == "" {
			continue
		}
		r, err := e.asRevision()
		if err != nil {
			continue
		}
		if err := f(Change{e.id, r}); err != nil {
			return err
		}
	}
	return nil
}

// Reserve makes n, and whatever is less, numbers that the collection does not
// give to new records. It creates the collection when that does not exist.
func (s *Store) Reserve(ctx context.Context, collection string, n int64) error {
	return s.with(ctx, "reserve numbers of", collection, true, func(b *bucket) error { return b.counter.raise(ctx, b, n) })
}
