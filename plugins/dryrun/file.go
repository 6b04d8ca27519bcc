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
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

const (
	layout  = 2 // of the file; a reader refuses one that is newer
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
	Case   *caseLine  `json:"case,omitempty"`
	Table  *table     `json:"table,omitempty"`
	Record *revision  `json:"record,omitempty"`
	Change *revision  `json:"change,omitempty"`
	Event  *eventLine `json:"event,omitempty"`
}

type caseLine struct {
	Layout      int       `json:"layout"`
	Plugin      string    `json:"plugin"`
	WritesSince time.Time `json:"writes_since,omitzero"`
}

type eventLine struct {
	Ref     string          `json:"ref"`
	At      time.Time       `json:"at"`
	Subject string          `json:"subject"`
	Header  nats.Header     `json:"header,omitempty"`
	Body    json.RawMessage `json:"body"`
	Waited  float64         `json:"waited"` // seconds
	Said    []Output        `json:"said"`

	Exchanges *streams.Exchanges `json:"exchanges,omitempty"`
	Settings  *uint64            `json:"settings,omitempty"`
}

// Save writes the case as JSON lines, with those collections that the plugin
// used when it was run last: run it first.
func (c *Case) Save(w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	lines := []line{{Case: &caseLine{layout, c.Plugin, c.writesSince}}}
	for _, name := range slices.Sorted(maps.Keys(c.tables)) {
		t := c.tables[name]
		lines = append(lines, line{Table: t})
		for i := range t.Rows {
			lines = append(lines, line{Record: &t.Rows[i]})
		}
		for i := range t.Changes {
			lines = append(lines, line{Change: &t.Changes[i]})
		}
	}
	for _, e := range c.Events {
		lines = append(lines, line{Event: &eventLine{e.Ref.String(), e.At, e.Subject, e.Header, e.Body, e.Waited.Seconds(), e.Recorded, e.exchanges, e.settings}})
	}
	var err error
	for _, l := range lines {
		err = errors.Join(err, enc.Encode(l))
	}
	if err = errors.Join(err, out.Flush()); err != nil {
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
		c.Plugin, c.writesSince = l.Case.Plugin, l.Case.WritesSince
		if l.Case.Layout == 1 {
			c.writesSince = time.Now() // writes were no outputs
		}
		return nil
	case c.Plugin == "":
		return ErrNotCase
	case l.Table != nil:
		c.tables[l.Table.Name] = l.Table
		return nil
	case l.Record != nil:
		return c.loadRevision(*l.Record, func(t *table) *[]revision { return &t.Rows })
	case l.Change != nil:
		return c.loadRevision(*l.Change, func(t *table) *[]revision { return &t.Changes })
	case l.Event != nil:
		return c.loadEvent(*l.Event)
	}
	return errors.New("it holds none of table, record, change and event")
}

func (c *Case) loadRevision(r revision, into func(*table) *[]revision) error {
	t, ok := c.tables[r.Table]
	if !ok {
		return fmt.Errorf("there is no table %q before it", r.Table)
	}
	if string(r.Data) == "null" {
		r.Data = nil
	}
	list := into(t)
	*list = append(*list, r)
	return nil
}

func (c *Case) loadEvent(l eventLine) error {
	ref, err := event.ParseRef(l.Ref)
	if err != nil {
		return err
	}
	e := Event{replay.Event{Ref: ref, At: l.At, Subject: l.Subject, Header: l.Header, Body: l.Body}, seconds(l.Waited), l.Said, l.Exchanges, l.Settings}
	if l.Exchanges != nil && l.Exchanges.Waited != 0 {
		e.Waited = l.Exchanges.Waited
	}
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

// A file is the source of a loaded case: a collection that is not in the file was not
// used when it was saved.
type file struct{ missing []string }

func (f *file) read(_ context.Context, name string) (*table, error) {
	if _, ok := buckets[name]; !ok {
		f.missing = append(f.missing, name)
	}
	return &table{Name: name}, nil
}

func (f *file) names(context.Context) ([]string, error) { return nil, nil }
