package audit

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// traces are what a person left in the streams. Of each event they hold its place
// or the ID of its conversation, so that they take a few bytes of an event and
// nothing of other people's.
type footprint struct {
	name     *regexp.Regexp
	erased   sequences              // what is to be erased
	caused   sequences              // what is left of what that caused, at any remove
	talks    []trace.TraceID        // trace IDs of the erased, sorted once they are all there
	shared   map[trace.TraceID]bool // of these, those in which somebody else began something, too
	unsure   []request
	answers  int
	mentions int
}

// sequences are places by stream, in their order.
type sequences map[string][]uint64

func (s sequences) add(ref event.Ref) { s[ref.Stream] = append(s[ref.Stream], ref.Seq) }

func (s sequences) has(ref event.Ref) bool {
	_, ok := slices.BinarySearch(s[ref.Stream], ref.Seq)
	return ok
}

// A request may have been made because of what is to be erased: it belongs to such
// a conversation and does not name its cause among these events.
type request struct {
	ref       event.Ref
	talk      trace.TraceID
	causeless bool
	namesThem bool
}

func newFootprint(user string) (*footprint, error) {
	name, err := regexp.Compile(`(?i)(^|[^\pL\pN_-])` + regexp.QuoteMeta(user) + `($|[^\pL\pN_-])`)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", user, err)
	}
	return &footprint{name: name, erased: sequences{}, caused: sequences{}, shared: map[trace.TraceID]bool{}}, nil
}

// found notes an event of the person's. Those of a stream come in their order.
func (t *footprint) found(e replay.Event) {
	t.erased.add(e.Ref)
	id, _ := e.Lineage()
	if talk := propagation.TraceID(id); len(t.talks) == 0 || t.talks[len(t.talks)-1] != talk {
		t.talks = append(t.talks, talk)
	}
}

func compareIDs(a, b trace.TraceID) int { return bytes.Compare(a[:], b[:]) }

// follow reads all streams for what was made because of the events found, adds the
// requests to what is to be erased, and counts what is left.
func (t *footprint) follow(ctx context.Context, js jetstream.JetStream) error {
	slices.SortFunc(t.talks, compareIDs)
	t.talks = slices.Compact(t.talks)
	requests := sequences{}
	for e, err := range replay.Read(ctx, js, replay.Query{}) {
		if err != nil {
			return err
		}
		if !t.erased.has(e.Ref) {
			t.look(e, requests)
		}
	}
	for _, r := range t.unsure {
		switch {
		case !t.shared[r.talk]:
			requests.add(r.ref)
		case r.namesThem:
			t.mentions++
		case r.causeless:
			t.answers++
		}
	}
	for stream, seqs := range requests {
		t.erased[stream] = append(t.erased[stream], seqs...)
		slices.Sort(t.erased[stream])
	}
	return nil
}

// look sorts an event that was not found.
func (t *footprint) look(e replay.Event, requests sequences) {
	id, cause := e.Lineage()
	talk := propagation.TraceID(id)
	_, theirs := slices.BinarySearchFunc(t.talks, talk, compareIDs)
	because := t.erased.has(cause) || t.caused.has(cause)
	causeless := cause == event.Ref{}
	stream, _ := streams.For(e.Subject)
	switch {
	case stream.NoAck && because:
		requests.add(e.Ref)
	case stream.NoAck && theirs:
		t.unsure = append(t.unsure, request{e.Ref, talk, causeless, e.DataMatches(t.name)})
	case because, theirs && causeless && !begins(e.Subject):
		t.caused.add(e.Ref)
		t.answers++
	default:
		if theirs {
			t.shared[talk] = true
		}
		if e.DataMatches(t.name) {
			t.mentions++
		}
	}
}

// begins reports whether an event with no cause is what somebody did, and not what
// a program says that does not name causes.
func begins(subject string) bool {
	return event.Match(event.AllCytube, subject) && !event.Match(event.AllSends, subject) || event.Match(event.AllCommands, subject)
}
