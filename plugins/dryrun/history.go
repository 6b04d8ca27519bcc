package dryrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// A history is a source that reads the past of the database from its buckets.
type history struct {
	js     jetstream.JetStream
	plugin string
	from   time.Time
	events map[event.Ref]int // that are run again, and whose own writes are therefore left out
}

const bucketStream = "KV_" + kvstore.BucketPrefix

func (h history) names(ctx context.Context) ([]string, error) {
	var names []string
	lister := h.js.StreamNames(ctx)
	for stream := range lister.Name() {
		if name, ok := strings.CutPrefix(stream, bucketStream); ok {
			names = append(names, name)
		}
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("list collections: %w", err)
	}
	return names, nil
}

func (h history) read(ctx context.Context, collection string) (*table, error) {
	if collection == registrations {
		return h.readRegistrations(ctx)
	}
	revisions := map[event.ID][]kvstore.Change{}
	var ids []event.ID
	kept, err := kvstore.Changes(ctx, h.js, collection, func(c kvstore.Change) error {
		if revisions[c.ID] == nil {
			ids = append(ids, c.ID)
		}
		c.Data = stripHandled(c.Data)
		revisions[c.ID] = append(revisions[c.ID], c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	cut := map[event.ID]bool{} // records with older revisions that are no longer kept
	for id, revs := range revisions {
		if kept > 0 && len(revs) >= kept && revs[0].Time.After(h.from) {
			cut[id] = true
		}
	}
	asked, err := h.requested(ctx, collection, cut)
	if err != nil {
		return nil, err
	}
	t := &table{Name: collection}
	for _, id := range ids {
		h.add(t, id, revisions[id], cut[id], asked)
	}
	slices.SortStableFunc(t.Changes, func(a, b revision) int { return a.At.Compare(b.At) })
	return t, nil
}

// add adds a record to the table.
func (h history) add(t *table, id event.ID, revs []kvstore.Change, cut bool, asked map[event.ID]json.RawMessage) {
	known, begun := asked[id]
	approximate := cut && !begun
	if n, ok := id.Int(); ok && (cut || !revs[0].Time.After(h.from)) {
		t.Reserved = max(t.Reserved, n)
	}
	if approximate {
		t.Approximate++
		known = live(revs[0])
	}
	for _, r := range revs {
		switch {
		case !r.Time.After(h.from):
			known = live(r)
		case approximate || !h.own(r.MsgID):
			t.Changes = append(t.Changes, revision{t.Name, id, live(r), r.Time})
		}
	}
	if known != nil {
		t.Rows = append(t.Rows, revision{Table: t.Name, ID: id, Data: known})
	}
}

// live returns a revision's data, or nil for a tombstone.
func live(r kvstore.Change) json.RawMessage {
	if r.Deleted {
		return nil
	}
	return r.Data
}

// own reports whether a write was made by the plugin when it handled one of the
// case's events.
func (h history) own(msgID string) bool {
	rest, ok := strings.CutPrefix(msgID, streams.Durable(h.plugin)+"/")
	if !ok {
		return false
	}
	text, _, _ := strings.Cut(rest, "/")
	ref, err := event.ParseRef(text)
	if err != nil {
		return false
	}
	_, ok = h.events[ref]
	return ok
}

// stripHandled removes from a record what plugins.Collection.Change keeps of the events
// that it has handled, as they are to be handled again.
func stripHandled(data json.RawMessage) json.RawMessage {
	if !strings.Contains(string(data), plugins.FieldHandled) {
		return data
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return data
	}
	delete(fields, plugins.FieldHandled)
	if rest, err := event.Encode(fields); err == nil {
		return rest
	}
	return data
}

// requested reconstructs records from the requests that wrote them, which are kept
// longer than the revisions of a record that is often rewritten: nil for a record that
// was deleted, and none for a record that the requests do not determine.
func (h history) requested(ctx context.Context, collection string, wanted map[event.ID]bool) (map[event.ID]json.RawMessage, error) {
	found := map[event.ID]json.RawMessage{}
	if len(wanted) == 0 {
		return found, nil
	}
	q := replay.Query{Filter: replay.Filter{Subjects: []string{event.AllDatabase}, Until: h.from}}
	for e, err := range replay.Read(ctx, h.js, q) {
		if err != nil {
			return nil, fmt.Errorf("read requests to the database: %w", err)
		}
		if d, err := e.Decode(); err == nil {
			apply(found, collection, wanted, d)
		}
	}
	return found, nil
}

func apply(found map[event.ID]json.RawMessage, collection string, wanted map[event.ID]bool, d streams.Stored) {
	var r struct {
		Collection string
		ID         event.ID
		Data       json.RawMessage
		Merge      bool
	}
	if json.Unmarshal(d.Data, &r) != nil {
		return
	}
	switch {
	case d.Subject == event.SubjectBatch:
		clear(found) // it may have written any
	case r.Collection != collection || d.Subject == event.SubjectUpdate && r.ID != "" && !wanted[r.ID]:
	case d.Subject == event.SubjectUpdate && r.ID == "":
		clear(found)
	case !wanted[r.ID]:
	case d.Subject == event.SubjectSet && !r.Merge:
		found[r.ID] = stripHandled(r.Data)
	case d.Subject == event.SubjectDelete:
		found[r.ID] = nil
	case d.Subject == event.SubjectSet || d.Subject == event.SubjectUpdate:
		delete(found, r.ID)
	}
}

func (h history) readRegistrations(ctx context.Context) (*table, error) {
	t := &table{Name: registrations}
	for raw, err := range streams.Messages(ctx, h.js, streams.Selection{Stream: "KV_" + router.Bucket}) {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read bucket %s: %w", router.Bucket, err)
		}
		r := revision{Table: registrations, ID: event.ID(strings.TrimPrefix(raw.Subject, "$KV."+router.Bucket+".")), Data: raw.Data}
		if raw.Header.Get("KV-Operation") != "" {
			r.Data = nil
		}
		if raw.Time.After(h.from) {
			r.At = raw.Time
			t.Changes = append(t.Changes, r)
			continue
		}
		t.Rows = slices.DeleteFunc(t.Rows, func(old revision) bool { return old.ID == r.ID })
		if r.Data != nil {
			t.Rows = append(t.Rows, r)
		}
	}
	return t, nil
}
