// Package dryrun runs a plugin's current code on events of the past and compares
// what it publishes, and writes into the database, with what it did then. It does so in a sandbox: a server
// of its own with nothing in it but the database and the settings as they were at that
// moment, and the time and randomness of then. Nothing that a plugin does in it can reach the streams
// that the events were read from, or a channel.
//
//	c, err := dryrun.Record(ctx, js, trivia.New(), filter, nil)
//	for result, err := range dryrun.Run(ctx, c, trivia.New(), dryrun.Options{}) { … }
//
// What the plugin asks of the database and of other plugins is answered as it was then,
// until it writes something else (see docs/adr/0014-hermetic-dry-runs.md).
//
// Requests to anything but the bot, such as a web site, are made for real.
package dryrun

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// A Case is a piece of the past to run a plugin on: the events that it handled, what
// it published because of each, and the database that it found.
type Case struct {
	Plugin string
	Events []Event // in the order in which they were stored

	writesSince time.Time // writes before are not known
	source      source
	tables      map[string]*table // what was read from source so far, by collection
}

// Event is one event that the plugin handled.
type Event struct {
	replay.Event
	Waited   time.Duration // from when it was stored until it was handled
	Recorded []Output      // outputs that it caused

	exchanges *streams.Exchanges // nil: none are kept
	settings  *uint64            // the newest revision of its settings that the handler saw, as its outputs say
}

// order returns the indexes of the events in the order in which they were handled: those
// of several users may have been handled beside each other, while those of one waited.
func (c *Case) order() []int {
	order := make([]int, len(c.Events))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return c.Events[i].handled().Compare(c.Events[j].handled()) })
	return order
}

// asked reports whether all is known of what the handler asked.
func (e Event) asked() bool { return e.exchanges != nil && !e.exchanges.Unknown }

// sawSettings returns the newest revision of the plugin's settings that the handler saw; ok
// is false where that is not known.
func (e Event) sawSettings() (revision uint64, ok bool) {
	if e.settings != nil {
		return *e.settings, true
	}
	if x := e.exchanges; x != nil && (!x.Unknown || x.Settings > 0) {
		return x.Settings, true
	}
	return 0, false
}

// handled returns when the event was handled.
func (e Event) handled() time.Time { return e.At.Add(e.Waited) }

// stored returns the event as a consumer passes it to its handler.
func (e Event) stored() (streams.Stored, error) {
	return streams.ReadRaw(e.Ref.Stream, &jetstream.RawStreamMsg{
		Subject: e.Subject, Sequence: e.Ref.Seq, Header: e.Header, Data: e.Body, Time: e.At,
	})
}

// Output is an event that a plugin published because of another. A failure is an
// output too: its dead letter.
type Output struct {
	Subject string          `json:"subject"`
	Data    json.RawMessage `json:"data"`
	Due     time.Time       `json:"due,omitzero"` // when a timer fires

	timer       string
	conditional bool   // a write that depends on the record's revision
	record      string // that a write is of
	past        bool   // by a subscription FromFirst
}

// A source reads the database of a case.
type source interface {
	// read returns a collection as it was at the case's beginning, with the later
	// changes that the case's events did not cause. One that did not exist is empty.
	read(ctx context.Context, collection string) (*table, error)
	// names returns the names of the collections.
	names(ctx context.Context) ([]string, error)
}

// The tables of the bot's own buckets, which are no collections.
const (
	registrations = ":plugins"
	settings      = ":settings" // of plugins
)

// buckets are the buckets of these tables.
var buckets = map[string]string{registrations: router.Bucket, settings: pluginsettings.Bucket}

// A table is a collection over time.
type table struct {
	Name        string `json:"name"`
	Reserved    int64  `json:"reserved,omitempty"` // the highest number that was given to a record
	Approximate int    `json:"unsure,omitempty"`   // how many of Rows may have been different

	FromFirst map[event.ID]bool `json:"from_first,omitempty"` // records that subscriptions FromFirst wrote because of the case's events

	Rows    []revision `json:"-"` // at the beginning
	Changes []revision `json:"-"` // later, oldest first

	cut  map[event.ID]bool // those of Approximate; nil where it is not known which
	used bool              // the sandbox answered from it
}

// A revision is a record at the beginning, or what it became later.
type revision struct {
	Table string          `json:"table"`
	ID    event.ID        `json:"id"`
	Data  json.RawMessage `json:"data"` // nil: deleted
	At    time.Time       `json:"at,omitzero"`
	Seq   uint64          `json:"seq,omitempty"` // in the stream of a bucket of the bot
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

// MissingCollections returns the collections that the plugin used in the last run and
// that are not in a loaded case: they were empty to it.
func (c *Case) MissingCollections() []string {
	if f, ok := c.source.(*file); ok {
		return f.missing
	}
	return nil
}

// ApproximateRecords returns how many records of the last run have a history that does
// not reach back to the case's beginning: they were taken as they were at the earliest
// time that is known.
func (c *Case) ApproximateRecords() (n int) {
	for _, t := range c.tables {
		if t.used {
			n += t.Approximate
		}
	}
	return n
}
