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

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// A history is a source that reads the past of the database from its buckets.
type history struct {
	js     jetstream.JetStream
	plugin string
	from   time.Time
	events map[event.Ref]int // that are run again, and whose own writes are therefore left out
	every  bool              // of all events the plugin's own writes are left out
}

// A change is one of a record, by one of the case's events or by others.
type change struct {
	kvstore.Change
	own bool
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
	if bucket, ok := buckets[collection]; ok {
		return h.readBucket(ctx, collection, bucket)
	}
	revisions := map[event.ID][]change{}
	changedBy := map[event.ID]map[string]event.Ref{}
	fromFirst := map[event.ID]bool{}
	var ids []event.ID
	kept, err := kvstore.Changes(ctx, h.js, collection, func(c kvstore.Change) error {
		if revisions[c.ID] == nil {
			ids = append(ids, c.ID)
		}
		by := plugins.ChangedFromFirst(h.plugin, c.Data)
		own := h.own(c.MsgID) || h.ownFromFirst(changedBy[c.ID], by)
		changedBy[c.ID] = by
		if own && streams.IsPast(c.MsgID) || h.anyOf(by) {
			fromFirst[c.ID] = true
		}
		c.Data = plugins.WithoutHandled(c.Data)
		revisions[c.ID] = append(revisions[c.ID], change{c, own})
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
	t := &table{Name: collection, cut: cut, FromFirst: fromFirst}
	for _, id := range ids {
		h.add(t, id, revisions[id], cut[id])
	}
	slices.SortStableFunc(t.Changes, func(a, b revision) int { return a.At.Compare(b.At) })
	return t, nil
}

// add adds a record to the table.
func (h history) add(t *table, id event.ID, revs []change, cut bool) {
	if n, ok := id.Int(); ok && (cut || !revs[0].Time.After(h.from)) {
		t.Reserved = max(t.Reserved, n)
	}
	var known json.RawMessage
	if cut {
		t.Approximate++
		known = live(revs[0])
	}
	for _, r := range revs {
		switch {
		case !r.Time.After(h.from):
			known = live(r)
		case cut || !r.own:
			t.Changes = append(t.Changes, revision{Table: t.Name, ID: id, Data: live(r), At: r.Time})
		}
	}
	if known != nil {
		t.Rows = append(t.Rows, revision{Table: t.Name, ID: id, Data: known})
	}
}

// live returns a revision's data, or nil for a tombstone.
func live(r change) json.RawMessage {
	if r.Deleted {
		return nil
	}
	return r.Data
}

// own reports whether a write was made by the plugin when it handled one of the
// case's events.
func (h history) own(msgID string) bool {
	durable, rest, _ := strings.Cut(msgID, "/")
	if of, ok := streams.PluginOf(durable); !ok || of != h.plugin || h.every {
		return ok && of == h.plugin
	}
	text, _, _ := strings.Cut(rest, "/")
	ref, err := event.ParseRef(text)
	if err != nil {
		return false
	}
	_, ok := h.events[ref]
	return ok
}

// readBucket reads the history of one of the bot's own buckets.
func (h history) readBucket(ctx context.Context, name, bucket string) (*table, error) {
	t := &table{Name: name}
	from := h.from
	if name == settings {
		from = from.Add(-viewLag)
	}
	for raw, err := range streams.Messages(ctx, h.js, streams.Selection{Stream: jsapi.BucketStream(bucket)}) {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read bucket %s: %w", bucket, err)
		}
		r := revision{Table: name, ID: event.ID(strings.TrimPrefix(raw.Subject, "$KV."+bucket+".")), Data: raw.Data, Seq: raw.Sequence}
		if raw.Header.Get("KV-Operation") != "" {
			r.Data = nil
		}
		if raw.Time.After(from) {
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
