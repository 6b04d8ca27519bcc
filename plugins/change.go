package plugins

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// FieldHandled is the field of a record in which Change keeps which events changed it
// and what Change returned for them.
const FieldHandled = event.FieldHandled

const (
	// Entries of FieldHandled younger than handledMaxAge are kept, at most maxHandled
	// and at least minHandled in all. The newest maxOutputs of that age keep their outputs.
	handledMaxAge = streams.DuplicateWindow
	maxHandled    = 256
	minHandled    = 16
	maxOutputs    = 64
	// maxConflicts is how often one change is retried.
	maxConflicts = 100
)

// handled is one entry of FieldHandled.
type handled struct {
	At  int64    `json:"at"` // ms since the epoch, when it was first handled
	Out []output `json:"out,omitempty"`
}

// output is an event returned by change.
type output struct {
	Subject string          `json:"subject"`
	Data    json.RawMessage `json:"data"`
}

// Change modifies a record exactly once for the event being handled. It reads the
// record into record, a pointer to a struct, zero if there is none; calls change, which
// modifies it and returns the events to publish; writes the record back; and returns
// what change returned.
//
// The write is conditional on the record's revision. If another process wrote in
// between, Change retries with the new record, so change must depend on nothing but
// record, and timers may be set only after Change has returned.
//
// When the event is redelivered after a crash, change is not called: record is read as
// it is now, and what change returned the first time is returned again, within
// streams.DuplicateWindow. If change returns an error, so does Change, and nothing is
// written. That of a record that does not fit the type is PLUGIN_ERROR.
func (t Collection) Change(id event.ID, record any, change func() ([]event.Envelope, error)) ([]event.Envelope, error) {
	key := t.c.changeKey(t.name, id)
	for range maxConflicts {
		stored, err := t.load(id, record)
		if err != nil {
			return nil, err
		}
		if done, ok := stored.handled[key]; ok && key != "" {
			return t.c.repeat(done)
		}
		out, err := change()
		if err == nil {
			err = t.c.err
		}
		if err != nil {
			return nil, err
		}
		if err = t.store(id, record, stored, key, out); !isConflict(err) {
			return out, err
		}
	}
	return nil, event.Errorf(event.DatabaseError, "record %s of %s is changed by others all the time: gave up after %d attempts", id, t.name, maxConflicts)
}

// changeKey returns the key of the event being handled in a record's FieldHandled, or
// "" outside of a delivery.
func (c *Context) changeKey(collection string, id event.ID) string {
	if c.Event.Ref == (event.Ref{}) {
		return ""
	}
	reader := c.plugin
	if c.fromFirst { // which may read the same event by its other durable
		reader = streams.PastDurable(c.plugin)
	}
	return fmt.Sprintf("%s/%s/%d", reader, c.Event.Ref, c.messageIDs().Count("change/"+collection+"/"+string(id)))
}

// repeat returns what an earlier attempt returned.
func (c *Context) repeat(done handled) ([]event.Envelope, error) {
	if age := time.Since(time.UnixMilli(done.At)); age > streams.DuplicateWindow-time.Minute {
		// A repeat would no longer be deduplicated, and was probably published then.
		c.Log.WarnContext(c, "event handled before the duplicate window, not published again", "event", c.Event.Ref.String(), "age", age)
		return nil, nil
	}
	out := make([]event.Envelope, len(done.Out))
	for i, o := range done.Out {
		e, err := event.New(o.Subject, o.Data)
		if err != nil {
			return nil, err
		}
		out[i] = e
	}
	return out, nil
}

// stored is a record as read.
type stored struct {
	revision uint64          // 0 if there is none
	record   json.RawMessage // encoded, without FieldHandled
	handled  map[string]handled
	batch    []string // the keys of handled that the batch of the past added
}

func (t Collection) load(id event.ID, record any) (stored, error) {
	reflect.ValueOf(record).Elem().SetZero()
	if s, ok := t.c.past.get(t.name, id); ok {
		return s, t.decodeRecord(s.record, record)
	}
	var reply struct {
		Data     json.RawMessage
		Revision uint64
	}
	err := t.request(event.SubjectGet, event.Get{Collection: t.name, ID: id}, &reply)
	if err != nil && event.CodeOf(err) != event.RecordNotFound {
		return stored{}, err
	}
	s := stored{revision: reply.Revision}
	if err == nil {
		var done struct {
			Handled map[string]handled `json:"_handled"`
		}
		if err := errors.Join(t.decodeRecord(reply.Data, &done), t.decodeRecord(reply.Data, record)); err != nil {
			return stored{}, event.Errorf(event.PluginError, "what is stored for this is damaged: an operator can look at it with rosey db check %s", t.name)
		}
		s.handled = done.Handled
	}
	s.record, err = event.Encode(record)
	return s, err
}

// store writes a record back, unless change did nothing.
func (t Collection) store(id event.ID, record any, s stored, key string, out []event.Envelope) error {
	data, err := event.Encode(record)
	if err != nil {
		return err
	}
	if len(out) == 0 && bytes.Equal(data, s.record) {
		return nil
	}
	s.record = data
	if key != "" {
		if s.handled == nil {
			s.handled = map[string]handled{}
		}
		h := handled{At: time.Now().UnixMilli()}
		for _, e := range out {
			h.Out = append(h.Out, output{e.Subject, e.Data})
		}
		s.handled[key] = h
	}
	if t.c.past != nil {
		if key != "" {
			s.batch = append(s.batch, key)
		}
		t.c.past.put(t.name, id, s)
		return nil
	}
	set, err := s.set(t.name, id)
	if err != nil {
		return err
	}
	return t.request(event.SubjectSet, set, nil, t.c.messageID("change", t.name, string(id), fmt.Sprint(s.revision))...)
}

// set returns the request that writes the record with what it keeps of the events that
// changed it, if nobody else has written it meanwhile.
func (s stored) set(collection string, id event.ID) (set event.Set, err error) {
	var fields map[string]json.RawMessage
	if err := decode(s.record, &fields); err != nil {
		return set, err
	}
	s.pruneEarlier()
	prune(s.handled)
	if len(s.handled) > 0 {
		if fields[FieldHandled], err = json.Marshal(s.handled); err != nil {
			return set, fmt.Errorf("encode %s: %w", FieldHandled, err)
		}
	}
	payload, err := event.Encode(fields)
	return event.Set{Collection: collection, ID: id, Data: payload, IfRevision: &s.revision}, err
}

// pruneEarlier drops entries of batches of the past before this one, which are acknowledged: a
// plugin that is new reads thousands of events within handledMaxAge. The newest stay for those whose
// acknowledgement was lost.
func (s stored) pruneEarlier() {
	if len(s.batch) == 0 {
		return
	}
	reader, _, _ := strings.Cut(s.batch[0], "/")
	var earlier []string
	for key := range s.handled {
		if strings.HasPrefix(key, reader+"/") && !slices.Contains(s.batch, key) {
			earlier = append(earlier, key)
		}
	}
	slices.SortFunc(earlier, func(a, b string) int { return cmp.Compare(s.handled[b].At, s.handled[a].At) })
	for _, key := range earlier[min(minHandled, len(earlier)):] {
		delete(s.handled, key)
	}
}

// prune drops entries that no redelivery needs, and keeps the record small.
func prune(done map[string]handled) {
	newest := slices.SortedFunc(maps.Keys(done), func(a, b string) int { return cmp.Compare(done[b].At, done[a].At) })
	for i, key := range newest {
		h := done[key]
		switch old := time.Since(time.UnixMilli(h.At)) > handledMaxAge; {
		case i >= maxHandled, i >= minHandled && old:
			delete(done, key)
		case i >= maxOutputs, old: // Change does not return them any more
			done[key] = handled{At: h.At}
		}
	}
}

// isConflict reports whether a write failed because of its revision.
func isConflict(err error) bool {
	e, ok := errors.AsType[*event.Error](err)
	if !ok || e.Code != event.DatabaseError {
		return false
	}
	_, ok = e.Details["if_revision"]
	return ok
}

// WithoutHandled returns JSON without the fields FieldHandled of the records in it: what is
// kept of the events that have changed these.
func WithoutHandled(data json.RawMessage) json.RawMessage {
	if !bytes.Contains(data, []byte(FieldHandled)) {
		return data
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return data
	}
	stripHandled(v)
	rest, err := event.Encode(v)
	if err != nil {
		return data
	}
	return rest
}

// ChangedFromFirst returns which events of a plugin's subscriptions FromFirst have changed a
// record, as far as the record keeps it, by the keys under which it does.
func ChangedFromFirst(plugin string, record json.RawMessage) map[string]event.Ref {
	reader := streams.PastDurable(plugin) + "/"
	if !bytes.Contains(record, []byte(reader)) {
		return nil
	}
	var kept struct {
		Handled map[string]json.RawMessage `json:"_handled"`
	}
	if json.Unmarshal(record, &kept) != nil {
		return nil
	}
	events := map[string]event.Ref{}
	for key := range kept.Handled {
		rest, ok := strings.CutPrefix(key, reader)
		text, _, _ := strings.Cut(rest, "/")
		if ref, err := event.ParseRef(text); ok && err == nil {
			events[key] = ref
		}
	}
	return events
}

func stripHandled(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, FieldHandled)
		for _, child := range v {
			stripHandled(child)
		}
	case []any:
		for _, child := range v {
			stripHandled(child)
		}
	}
}
