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
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// FieldHandled is the field in which Change keeps, with a record, which events
// changed it and what was said because of them.
const FieldHandled = "_handled"

const (
	// handledKept is how long an entry of FieldHandled is kept at least, unless
	// there are more than handledMost; handledFew are kept however old they are.
	handledKept = streams.DuplicateWindow
	handledMost = 256
	handledFew  = 16
	// outputsMost is how many entries keep what was said.
	outputsMost = 64
	// maxConflicts bounds how often one change starts over.
	maxConflicts = 100
)

// handled is one entry of FieldHandled.
type handled struct {
	At  int64    `json:"at"` // ms since the epoch, when it was first handled
	Out []output `json:"out,omitempty"`
}

// output is an event that change returned.
type output struct {
	Subject string          `json:"subject"`
	Data    json.RawMessage `json:"data"`
}

// Change alters a record once for the event being handled. It reads the record
// into record, a pointer to a struct, which is zero when there is none;
// calls change, which alters it and returns what is to be published because of
// that; writes it back; and returns what change returned.
//
// The write depends on the record being what was read: when another process
// came between, Change starts over with what that left, so change must take
// nothing but record as given, and set timers only after Change has returned.
//
// When the event is handled again after a crash, change is not called: record is
// read as it is now, and what change returned the first time is returned again,
// for as long as a repeat of it is recognised (streams.DuplicateWindow). An error
// of change is returned as it is, and nothing is written.
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

// changeKey names the event being handled within a record, or is "" where there
// is none that could come again.
func (c *Context) changeKey(collection string, id event.ID) string {
	if c.Event.Ref == (event.Ref{}) {
		return ""
	}
	if c.numbers == nil {
		c.numbers = map[string]int{}
	}
	n := "change/" + collection + "/" + string(id)
	c.numbers[n]++
	return fmt.Sprintf("%s/%s/%d", c.plugin, c.Event.Ref, c.numbers[n])
}

// repeat is what an earlier attempt returned.
func (c *Context) repeat(done handled) ([]event.Envelope, error) {
	if age := time.Since(time.UnixMilli(done.At)); age > streams.DuplicateWindow-time.Minute {
		// A repeat would no longer be recognised, and it is more likely that it
		// was said then than that it was not.
		c.Log.WarnContext(c, "an event was handled long ago, and what it caused is not published again", "event", c.Event.Ref.String(), "age", age)
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

// stored is a record as it was read.
type stored struct {
	revision uint64          // 0 when there is none
	record   json.RawMessage // without FieldHandled, as it is written
	handled  map[string]handled
}

func (t Collection) load(id event.ID, record any) (stored, error) {
	reflect.ValueOf(record).Elem().SetZero()
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
		if err := decode(reply.Data, &done); err != nil {
			return stored{}, err
		}
		if err := decode(reply.Data, record); err != nil {
			return stored{}, err
		}
		s.handled = done.Handled
	}
	s.record, err = event.Encode(record)
	return s, err
}

// store writes a record back, unless nothing came of the event.
func (t Collection) store(id event.ID, record any, s stored, key string, out []event.Envelope) error {
	data, err := event.Encode(record)
	if err != nil {
		return err
	}
	if len(out) == 0 && bytes.Equal(data, s.record) {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := decode(data, &fields); err != nil {
		return err
	}
	done := maps.Clone(s.handled)
	if key != "" {
		if done == nil {
			done = map[string]handled{}
		}
		h := handled{At: time.Now().UnixMilli()}
		for _, e := range out {
			h.Out = append(h.Out, output{e.Subject, e.Data})
		}
		done[key] = h
		forget(done)
	}
	if len(done) > 0 {
		if fields[FieldHandled], err = json.Marshal(done); err != nil {
			return fmt.Errorf("encode %s: %w", FieldHandled, err)
		}
	}
	payload, err := event.Encode(fields)
	if err != nil {
		return err
	}
	set := event.Set{Collection: t.name, ID: id, Data: payload, IfRevision: &s.revision}
	return t.request(event.SubjectSet, set, nil, t.c.once("change", t.name, string(id), fmt.Sprint(s.revision))...)
}

// forget drops what can no longer be asked for, and keeps the record small.
func forget(done map[string]handled) {
	newest := slices.SortedFunc(maps.Keys(done), func(a, b string) int { return cmp.Compare(done[b].At, done[a].At) })
	for i, key := range newest {
		h := done[key]
		switch old := time.Since(time.UnixMilli(h.At)) > handledKept; {
		case i >= handledMost, i >= handledFew && old:
			delete(done, key)
		case i >= outputsMost:
			done[key] = handled{At: h.At}
		}
	}
}

// isConflict reports whether a write was refused because the record changed.
func isConflict(err error) bool {
	var e *event.Error
	if !errors.As(err, &e) || e.Code != event.DatabaseError {
		return false
	}
	_, ok := e.Details["if_revision"]
	return ok
}
