package plugins

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Collection reads and writes the records of one collection (contract: Database
// Events). Its errors have the contract's codes; see event.CodeOf. The writes of a
// redelivered event are deduplicated.
type Collection struct {
	c    *Context
	name string
}

// Get reads a record into record, a pointer. The error is RECORD_NOT_FOUND if there is
// none, or one that does not fit the type, which is logged.
func (t Collection) Get(id event.ID, record any) error {
	var reply struct{ Data json.RawMessage }
	if s, ok := t.c.past.get(t.name, id); ok {
		reply.Data = s.record
	} else if err := t.request(event.SubjectGet, event.Get{Collection: t.name, ID: id}, &reply); err != nil {
		return err
	}
	if err := t.decodeRecord(reply.Data, record); err != nil {
		return event.Errorf(event.RecordNotFound, "record %s of collection %s does not fit: %w", id, t.name, err).With("collection", t.name).With("id", id)
	}
	return nil
}

// Set creates or replaces a record and returns its ID. An empty id assigns the next
// number.
func (t Collection) Set(id event.ID, record any) (event.ID, error) {
	data, err := event.Encode(record)
	if err != nil {
		return "", err
	}
	var reply struct{ ID event.ID }
	err = t.request(event.SubjectSet, event.Set{Collection: t.name, ID: id, Data: data}, &reply, t.messageID("set", id)...)
	return reply.ID, err
}

// Add creates a record with the next number as its ID, which it returns.
func (t Collection) Add(record any) (event.ID, error) { return t.Set("", record) }

// Query selects records; see docs/database.md for filters.
type Query struct {
	Filter  map[string]any
	OrderBy string // for example "timestamp DESC"
	Limit   int    // 100 when 0
	Offset  int
}

// Find reads the matching records into records, a pointer to a slice, and returns how
// many match, regardless of the limit. It logs and skips records that do not fit the
// type, so that records may have fewer than were asked for.
func (t Collection) Find(q Query, records any) (total int, err error) {
	payload := event.Query{Collection: t.name, OrderBy: q.OrderBy}
	if q.Filter != nil {
		if payload.Filter, err = event.Encode(q.Filter); err != nil {
			return 0, err
		}
	}
	if q.Limit != 0 {
		payload.Limit = &q.Limit
	}
	if q.Offset != 0 {
		payload.Offset = &q.Offset
	}
	var reply struct {
		Data  []json.RawMessage
		Count int
	}
	if err := t.request(event.SubjectQuery, payload, &reply); err != nil {
		return 0, err
	}
	found := reflect.ValueOf(records).Elem()
	found.SetLen(0)
	for _, data := range reply.Data {
		record := reflect.New(found.Type().Elem())
		if t.decodeRecord(data, record.Interface()) == nil {
			found.Set(reflect.Append(found, record.Elem()))
		}
	}
	return reply.Count, nil
}

// decodeRecord decodes a record, and logs where it does not fit.
func (t Collection) decodeRecord(data json.RawMessage, record any) error {
	err := json.Unmarshal(data, record)
	if err != nil {
		t.c.Log.WarnContext(t.c, "record skipped, see rosey db check", "collection", t.name, "record", event.Personal(fmt.Sprintf("%.200s", data)), "error", event.Loggable(err))
	}
	return err
}

// Count returns how many records match; a nil filter counts all.
func (t Collection) Count(filter map[string]any) (int, error) {
	var none []json.RawMessage
	return t.Find(Query{Filter: filter, Limit: 1}, &none)
}

// Update changes fields of one record atomically: ops maps $set, $unset, $inc,
// $max, $min or $push to fields and values. The error is RECORD_NOT_FOUND if there is
// no such record.
func (t Collection) Update(id event.ID, ops map[string]map[string]any) error {
	return t.request(event.SubjectUpdate, map[string]any{"collection": t.name, "id": id, "ops": ops}, nil, t.messageID("update", id)...)
}

// Delete deletes a record. The error is RECORD_NOT_FOUND if there is none. When a
// redelivered event deletes the record that its first attempt deleted, Delete succeeds.
func (t Collection) Delete(id event.ID) error {
	return t.request(event.SubjectDelete, event.Delete{Collection: t.name, ID: id}, nil, t.messageID("delete", id)...)
}

func (t Collection) messageID(op string, id event.ID) []streams.PublishOption {
	return t.c.messageID(op, t.name, string(id))
}

func (t Collection) request(subject string, payload, reply any, opts ...streams.PublishOption) error {
	if w := t.c.past; w != nil && len(w.changed) > 0 && subject != event.SubjectGet { // it sees what Change has written
		if err := w.flush(t.c); err != nil {
			return err
		}
	}
	body, err := t.c.Request(subject, payload, opts...)
	if err != nil || reply == nil {
		return err
	}
	return decode(body, reply)
}

func decode(raw json.RawMessage, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return event.Errorf(event.DatabaseError, "read the database's reply: %w", fmt.Errorf("%w in %.100s", err, raw))
	}
	return nil
}
