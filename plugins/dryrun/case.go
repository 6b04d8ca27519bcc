// Package dryrun runs a plugin's current code on events of the past and compares
// what it says with what was said then. It does so in a sandbox: a server of its
// own with nothing in it but the database as it was at that moment, and the time
// and randomness of then. Nothing that a plugin does in it can reach the streams
// that the events were read from, or a room.
//
//	c, err := dryrun.Record(ctx, js, trivia.New(), filter, nil)
//	for result, err := range dryrun.Run(ctx, c, trivia.New(), dryrun.Options{}) { … }
//
// A plugin that asks something other than the bot, such as a web site, asks it
// here too.
package dryrun

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// A Case is a piece of the past to run a plugin on: the events that it was
// given, what it said because of each, and the database that it found.
type Case struct {
	Plugin string
	Events []Event // in the order in which they were stored

	source source
	tables map[string]*table // what was asked of source so far, by collection
}

// Event is one event that the plugin was given.
type Event struct {
	Ref      event.Ref
	At       time.Time // when it was stored
	Subject  string
	Header   nats.Header
	Body     []byte
	Waited   time.Duration // from then until it was handled
	Recorded []Output      // because of it
}

// handled is when the event was handled.
func (e Event) handled() time.Time { return e.At.Add(e.Waited) }

// stored is the event as a consumer hands it to its handler.
func (e Event) stored() (streams.Stored, error) {
	return streams.ReadRaw(e.Ref.Stream, &jetstream.RawStreamMsg{
		Subject: e.Subject, Sequence: e.Ref.Seq, Header: e.Header, Data: e.Body, Time: e.At,
	})
}

// Output is an event that a plugin published because of another. That it failed
// is an output too, as its dead letter.
type Output struct {
	Subject string          `json:"subject"`
	Data    json.RawMessage `json:"data"`
	Due     time.Time       `json:"due,omitzero"` // when a timer fires

	timer string
}

// A source is where a case learns of the database.
type source interface {
	// read is a collection as it was at the case's beginning, with what others
	// than the case's events changed later. One that did not exist is empty.
	read(ctx context.Context, collection string) (*table, error)
	// names lists the collections.
	names(ctx context.Context) ([]string, error)
}

// registrations is the table of plugins' registrations, which is no collection.
const registrations = ":plugins"

// A table is a collection over time.
type table struct {
	Rows     []row    // at the beginning
	Reserved int64    // the highest number that was given to a record
	Unsure   int      // how many of Rows may have been different
	Changes  []change // later, oldest first
}

type row struct {
	ID   event.ID
	Data json.RawMessage
}

type change struct {
	At time.Time
	row
	Deleted bool
}

func (c *Case) table(ctx context.Context, name string) (*table, error) {
	if t, ok := c.tables[name]; ok {
		return t, nil
	}
	t, err := c.source.read(ctx, name)
	if err != nil {
		return nil, err
	}
	c.tables[name] = t
	return t, nil
}

// MissingCollections lists the collections that the plugin asked for in the last run and
// that a case which was loaded knows nothing of: they were empty to it.
func (c *Case) MissingCollections() []string {
	if f, ok := c.source.(*file); ok {
		return f.absent
	}
	return nil
}

// ApproximateRecords is how many records the last run found whose history does not reach
// back to the case's beginning, so that it took them as they were at the
// earliest time that is known.
func (c *Case) ApproximateRecords() (n int) {
	for _, t := range c.tables {
		n += t.Unsure
	}
	return n
}
