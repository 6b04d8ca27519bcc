package kvstore

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
)

// A Record is one revision of a record as it is stored.
type Record struct {
	ID       event.ID
	Revision uint64          // greater than that of any earlier write to the collection
	Data     json.RawMessage // the record's fields and its "id"
}

// Written is the outcome of a write.
type Written struct {
	ID        event.ID
	Revision  uint64
	Duplicate bool // nothing was written: the message id was used before
}

func notFound(collection string, id event.ID) *event.Error {
	return event.Errorf(event.RecordNotFound, "record %s not found in collection %s", id, collection).
		With("collection", collection).With("id", id)
}

func conflict(collection string, id event.ID, expected, actual uint64) *event.Error {
	return event.Errorf(event.DatabaseError, "record %s of collection %s has revision %d, not %d: %w", id, collection, actual, expected, ErrConflict).
		With("collection", collection).With("id", id).With("if_revision", expected).With("revision", actual)
}

// Get reads a record (contract: database.get). A missing record or collection is
// RECORD_NOT_FOUND.
func (s *Store) Get(ctx context.Context, req event.Get) (Record, error) {
	if err := checkID(req.Collection, req.ID); err != nil {
		return Record{}, err
	}
	var record Record
	err := s.with(ctx, "get", req.Collection, false, func(b *bucket) error {
		e, err := b.last(ctx, b.subject(req.ID))
		if err != nil {
			return err
		}
		if e.revision == 0 || e.deleted() {
			return notFound(req.Collection, req.ID)
		}
		data, err := e.document()
		if err != nil {
			return corrupt(req.Collection, req.ID, err)
		}
		record = Record{req.ID, e.revision, data}
		return nil
	})
	if errors.Is(err, errNoBucket) {
		return Record{}, notFound(req.Collection, req.ID)
	}
	return record, err
}

func corrupt(collection string, id event.ID, err error) *event.Error {
	return event.Errorf(event.DatabaseError, "record %s of collection %s was written by something else and %w: set it again", id, collection, err).
		With("collection", collection).With("id", id)
}

// Set writes a record (contract: database.set): a new one with the next number
// for an empty ID. It creates the collection when that does not exist.
func (s *Store) Set(ctx context.Context, req event.Set) (Written, error) {
	if err := checkID(req.Collection, req.ID); err != nil {
		return Written{}, err
	}
	data, err := recordData(req)
	if err != nil {
		return Written{}, err
	}
	var out Written
	err = s.with(ctx, "set", req.Collection, true, func(b *bucket) (err error) {
		if n, ok := req.ID.Int(); ok {
			if err := b.counter.raise(ctx, b, n); err != nil {
				return err
			}
		}
		switch {
		case req.ID == "":
			out, err = b.insert(ctx, &data)
		case req.Merge:
			out, err = b.modify(ctx, req.ID, req.IfRevision, true, func(old *jsondoc.Value) error { old.Merge(&data); return nil })
		default:
			out, err = b.put(ctx, req.ID, data.Document(req.ID), req.IfRevision)
		}
		return err
	})
	return out, err
}

func recordData(req event.Set) (jsondoc.Value, error) {
	invalid := func(err error) error {
		return event.Errorf(event.InvalidInput, "%s: data %w", event.SubjectSet, err).With("field", "data").With("collection", req.Collection)
	}
	data, err := jsondoc.ParseObject(req.Data)
	if err != nil {
		return jsondoc.Value{}, invalid(err)
	}
	if id := data.Member("id"); id != nil && id.Kind != jsondoc.Null {
		var given event.ID
		if err := given.UnmarshalJSON([]byte(id.String())); err != nil || given != req.ID {
			return jsondoc.Value{}, invalid(errors.New("has an id of its own that is not the record's: leave it out, or give it as the request's id"))
		}
	}
	if req.ID == "" && req.IfRevision != nil && *req.IfRevision != 0 {
		return jsondoc.Value{}, event.Errorf(event.InvalidInput, "%s: if_revision needs an id", event.SubjectSet).With("field", "if_revision")
	}
	return data, nil
}

// put replaces a record, if its revision is as required.
func (b *bucket) put(ctx context.Context, id event.ID, data []byte, ifRevision *uint64) (Written, error) {
	expected := anyRevision
	if ifRevision != nil {
		expected = *ifRevision
	}
	for {
		if w, err := b.write(ctx, id, data, nats.Header{}, expected); !errors.Is(err, ErrConflict) {
			return w, err
		}
		// The server looks at the expected sequence before the message id.
		if first, err := b.repeatOf(ctx, id); first.Duplicate || err != nil {
			return first, err
		}
		e, err := b.last(ctx, b.subject(id))
		if err != nil {
			return Written{}, err
		}
		if *ifRevision != 0 || e.live() != 0 {
			return Written{}, conflict(b.collection, id, *ifRevision, e.live())
		}
		expected = e.revision // a deleted record does not exist for the client
	}
}

// repeatOf returns the outcome of the first write with the context's message ID. It is
// no Duplicate where there was none.
func (b *bucket) repeatOf(ctx context.Context, id event.ID) (Written, error) {
	seq, err := b.findMsgID(ctx, b.subject(id))
	if seq == 0 || err != nil {
		return Written{}, err
	}
	return b.outcomeAt(ctx, id, seq)
}

// unlessRepeated returns err, or the outcome of the first write where this is a repeat.
func (b *bucket) unlessRepeated(ctx context.Context, id event.ID, err error) (Written, error) {
	if first, failed := b.repeatOf(ctx, id); first.Duplicate || failed != nil {
		return first, failed
	}
	return Written{}, err
}

// write makes one write of a record, or has the outcome of the first that was made
// with the same message id. It returns ErrConflict where the record's last entry
// is not the expected one.
func (b *bucket) write(ctx context.Context, id event.ID, data []byte, header nats.Header, expected uint64) (Written, error) {
	seq, duplicate, err := b.publish(ctx, b.subject(id), data, header, expected, msgID(ctx))
	if duplicate {
		return b.outcomeAt(ctx, id, seq)
	}
	return Written{ID: id, Revision: seq}, err
}

// outcomeAt returns the outcome of the write that made the entry seq.
func (b *bucket) outcomeAt(ctx context.Context, id event.ID, seq uint64) (Written, error) {
	e, err := b.at(ctx, seq)
	if err != nil {
		return Written{}, err
	}
	if e.id != "" {
		return Written{e.id, seq, true}, nil
	}
	if id == "" {
		if id, err = b.insertedAt(ctx, seq); err != nil {
			return Written{}, err
		}
	}
	if id == "" {
		return Written{}, event.Errorf(event.DatabaseError,
			"collection %s: this write was made before, and so much has been written since that its record's id is no longer known", b.collection).
			With("collection", b.collection).With("revision", seq)
	}
	return Written{id, seq, true}, nil
}

// insert writes a record under the next number. An explicit write may have taken
// a number in the meantime, so the key must never have been used.
func (b *bucket) insert(ctx context.Context, data *jsondoc.Value) (Written, error) {
	for {
		n, err := b.counter.take(ctx, b)
		if err != nil {
			return Written{}, err
		}
		id, mid := event.IntID(n), msgID(ctx)
		seq, duplicate, err := b.publish(ctx, b.subject(id), data.Document(id), nats.Header{headerInserted: {"true"}}, 0, mid)
		if duplicate {
			b.counter.give(n)
			return b.outcomeAt(ctx, "", seq)
		}
		if err == nil && mid != "" {
			err = b.noteInsert(seq, id)
		}
		if noResponders(err) {
			b.counter.give(n)
		}
		if !errors.Is(err, ErrConflict) {
			return Written{ID: id, Revision: seq}, err
		}
	}
}

// modify changes a record by compare-and-swap; change may be called several
// times. A missing record is RECORD_NOT_FOUND unless it is to be created. When
// nothing changes, nothing is written, and the outcome has the old revision.
func (b *bucket) modify(ctx context.Context, id event.ID, ifRevision *uint64, create bool, change func(*jsondoc.Value) error) (Written, error) {
	for {
		e, err := b.last(ctx, b.subject(id))
		if err != nil {
			return Written{}, err
		}
		if ifRevision != nil && e.live() != *ifRevision {
			return b.unlessRepeated(ctx, id, conflict(b.collection, id, *ifRevision, e.live()))
		}
		record := jsondoc.Value{Kind: jsondoc.Object}
		switch {
		case e.live() != 0:
			if record, err = jsondoc.ParseObject(e.data); err != nil {
				return Written{}, corrupt(b.collection, id, err)
			}
		case !create:
			return b.unlessRepeated(ctx, id, notFound(b.collection, id))
		}
		before := string(record.Document(id))
		if err := change(&record); err != nil {
			return b.unlessRepeated(ctx, id, err)
		}
		after := record.Document(id)
		if _, err := jsondoc.Canonical(after, id); err != nil {
			return Written{}, event.Errorf(event.InvalidInput, "record %s of collection %s would not be readable: it %w", id, b.collection, err).
				With("collection", b.collection).With("id", id)
		}
		if e.live() != 0 && string(after) == before {
			if first, err := b.repeatOf(ctx, id); first.Duplicate || err != nil {
				return first, err
			}
			return Written{ID: id, Revision: e.revision}, nil
		}
		if w, err := b.write(ctx, id, after, e.inherited(), e.revision); !errors.Is(err, ErrConflict) {
			return w, err
		}
	}
}

// Delete deletes a record (contract: database.delete). A missing record or
// collection is RECORD_NOT_FOUND. The record's history stays.
func (s *Store) Delete(ctx context.Context, req event.Delete) (Written, error) {
	if err := checkID(req.Collection, req.ID); err != nil {
		return Written{}, err
	}
	var out Written
	err := s.with(ctx, "delete", req.Collection, false, func(b *bucket) (err error) {
		out, err = b.delete(ctx, req.ID, req.IfRevision)
		return err
	})
	if errors.Is(err, errNoBucket) {
		return Written{}, notFound(req.Collection, req.ID)
	}
	return out, err
}

func (b *bucket) delete(ctx context.Context, id event.ID, ifRevision *uint64) (Written, error) {
	for {
		e, err := b.last(ctx, b.subject(id))
		if err != nil {
			return Written{}, err
		}
		switch {
		case e.live() == 0:
			return b.unlessRepeated(ctx, id, notFound(b.collection, id))
		case ifRevision != nil && e.revision != *ifRevision:
			return b.unlessRepeated(ctx, id, conflict(b.collection, id, *ifRevision, e.revision))
		}
		header := e.inherited()
		header[headerOperation] = []string{"DEL"}
		if w, err := b.write(ctx, id, nil, header, e.revision); !errors.Is(err, ErrConflict) {
			return w, err
		}
	}
}
