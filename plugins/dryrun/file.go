package dryrun

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/event"
)

const (
	layout  = 1 // of the file; a reader refuses one that is newer
	maxLine = 16 << 20
)

// Errors of Load that are wrapped for a file that Save did not write.
var (
	ErrNotCase  = errors.New("a case begins with a line that names its plugin")
	ErrNoEvents = errors.New("the case has no events")
)

// A file holds a case as JSON lines: one that says what it is, then the tables
// of the database with their records and later changes, then the events. Each
// line is an object with one of these fields.
type line struct {
	Case   *caseLine   `json:"case,omitempty"`
	Table  *tableLine  `json:"table,omitempty"`
	Record *recordLine `json:"record,omitempty"`
	Change *recordLine `json:"change,omitempty"`
	Event  *eventLine  `json:"event,omitempty"`
}

type caseLine struct {
	Layout int    `json:"layout"`
	Plugin string `json:"plugin"`
}

type tableLine struct {
	Name     string `json:"name"`
	Reserved int64  `json:"reserved,omitempty"`
	Unsure   int    `json:"unsure,omitempty"`
}

type recordLine struct {
	Table string          `json:"table"`
	ID    event.ID        `json:"id"`
	Data  json.RawMessage `json:"data"` // null: deleted
	At    time.Time       `json:"at,omitzero"`
}

type eventLine struct {
	Ref     string          `json:"ref"`
	At      time.Time       `json:"at"`
	Subject string          `json:"subject"`
	Header  nats.Header     `json:"header,omitempty"`
	Body    json.RawMessage `json:"body"`
	Waited  float64         `json:"waited"` // seconds
	Said    []Output        `json:"said"`
}

// Save writes the case as JSON lines, with those collections that the plugin
// used when it was run last: run it first.
func (c *Case) Save(w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	lines := []line{{Case: &caseLine{layout, c.Plugin}}}
	for _, name := range slices.Sorted(maps.Keys(c.tables)) {
		t := c.tables[name]
		lines = append(lines, line{Table: &tableLine{name, t.Reserved, t.Unsure}})
		for _, r := range t.Rows {
			lines = append(lines, line{Record: &recordLine{Table: name, ID: r.ID, Data: r.Data}})
		}
		for _, ch := range t.Changes {
			l := &recordLine{name, ch.ID, ch.Data, ch.At}
			if ch.Deleted {
				l.Data = json.RawMessage("null")
			}
			lines = append(lines, line{Change: l})
		}
	}
	for _, e := range c.Events {
		lines = append(lines, line{Event: &eventLine{e.Ref.String(), e.At, e.Subject, e.Header, e.Body, e.Waited.Seconds(), e.Recorded}})
	}
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("save the case: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("save the case: %w", err)
	}
	return nil
}

// Load reads what Save wrote. The error is INVALID_INPUT and names the line.
func Load(r io.Reader) (*Case, error) {
	c := &Case{source: &file{}, tables: map[string]*table{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := c.load(lines.Bytes()); err != nil {
			return nil, event.Errorf(event.InvalidInput, "line %d of the case: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, event.Errorf(event.InvalidInput, "read the case: %w", err)
	}
	if len(c.Events) == 0 {
		return nil, event.Errorf(event.InvalidInput, "%w", ErrNoEvents)
	}
	return c, nil
}

func (c *Case) load(text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	switch {
	case l.Case != nil && l.Case.Layout > layout:
		return fmt.Errorf("it has layout %d, and this version reads up to %d", l.Case.Layout, layout)
	case l.Case != nil:
		c.Plugin = l.Case.Plugin
		return nil
	case c.Plugin == "":
		return ErrNotCase
	case l.Table != nil:
		c.tables[l.Table.Name] = &table{Reserved: l.Table.Reserved, Unsure: l.Table.Unsure}
		return nil
	case l.Record != nil || l.Change != nil:
		return c.loadRecord(l)
	case l.Event != nil:
		return c.loadEvent(*l.Event)
	}
	return errors.New("it holds none of table, record, change and event")
}

func (c *Case) loadRecord(l line) error {
	r := l.Record
	if r == nil {
		r = l.Change
	}
	t, ok := c.tables[r.Table]
	if !ok {
		return fmt.Errorf("there is no table %q before it", r.Table)
	}
	if l.Record != nil {
		t.Rows = append(t.Rows, row{r.ID, r.Data})
		return nil
	}
	ch := change{At: r.At, row: row{ID: r.ID, Data: r.Data}}
	if string(r.Data) == "null" {
		ch.Data, ch.Deleted = nil, true
	}
	t.Changes = append(t.Changes, ch)
	return nil
}

func (c *Case) loadEvent(l eventLine) error {
	ref, err := event.ParseRef(l.Ref)
	if err != nil {
		return err
	}
	e := Event{Ref: ref, At: l.At, Subject: l.Subject, Header: l.Header, Body: l.Body, Recorded: l.Said,
		Waited: seconds(l.Waited)}
	d, err := e.stored()
	if err == nil {
		err = d.Validate()
	}
	if err != nil {
		return err
	}
	c.Events = append(c.Events, e)
	return nil
}

// A file is the source of a case that was loaded: what is not in it was not
// used when it was made.
type file struct{ absent []string }

func (f *file) read(_ context.Context, name string) (*table, error) {
	if name != registrations {
		f.absent = append(f.absent, name)
	}
	return &table{}, nil
}

func (f *file) names(context.Context) ([]string, error) { return nil, nil }
