package dryrun

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// writes are the requests that change the database. They are outputs like events.
var writes = []string{event.SubjectSet, event.SubjectUpdate, event.SubjectDelete, event.SubjectBatch}

func isWrite(subject string) bool { return slices.Contains(writes, subject) }

// newWrite returns a request as an output: without the revision that it depends on and
// what Collection.Change keeps of handled events, which differ in each run.
func newWrite(subject string, data json.RawMessage) Output {
	o := Output{Subject: subject, Data: data}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return o
	}
	_, o.conditional = fields["if_revision"]
	delete(fields, "if_revision")
	o.record = string(fields["collection"]) + string(fields["id"])
	if rest, err := event.Encode(fields); err == nil {
		o.Data = plugins.WithoutHandled(rest)
	}
	return o
}

// addOutput appends an output. A write that depends on a revision replaces one of the same
// record: that failed, as somebody else had written.
func addOutput(list []Output, o Output) []Output {
	if o.conditional {
		list = slices.DeleteFunc(list, func(old Output) bool {
			return old.conditional && old.past == o.past && old.Subject == o.Subject && old.record == o.record
		})
	}
	return append(list, o)
}

// writesSince returns since when the stream of requests holds all of them; a time in the
// future if it holds none.
func writesSince(ctx context.Context, js jetstream.JetStream) (time.Time, error) {
	s, err := js.Stream(ctx, streams.Database)
	if err != nil {
		return time.Time{}, event.Errorf(event.NATSError, "look at stream %s: %w", streams.Database, err)
	}
	switch state := s.CachedInfo().State; {
	case state.FirstSeq <= 1:
		return time.Time{}, nil
	case state.Msgs == 0:
		return time.Now(), nil
	default:
		return state.FirstTime, nil
	}
}
