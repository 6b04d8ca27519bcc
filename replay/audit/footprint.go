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

// A footprint is what a person left in the streams. Of each event it holds the position
// or the trace ID, so that it takes a few bytes an event and nothing of other people's.
type footprint struct {
	name                *regexp.Regexp
	erased              sequences              // what is to be erased
	caused              sequences              // what is left of what that caused, at any remove
	conversations       []trace.TraceID        // trace IDs of the erased, sorted once they are all there
	sharedConversations map[trace.TraceID]bool // of these, those in which somebody else began something, too
	order               []event.Ref            // the erased as they were read, the person's own events first
	ambiguous           []request
	answers             int
	eraseAnswers        bool
	lines               map[string][]event.Chat // the newest erased ones of each channel
	mentions            int
}

// sequences are sorted sequences by stream.
type sequences map[string][]uint64

func (s sequences) add(ref event.Ref) { s[ref.Stream] = append(s[ref.Stream], ref.Seq) }

func (s sequences) has(ref event.Ref) bool {
	_, ok := slices.BinarySearch(s[ref.Stream], ref.Seq)
	return ok
}

// A request may have been caused by what is to be erased: it belongs to such a
// conversation and does not name its cause among these events.
type request struct {
	ref          event.Ref
	conversation trace.TraceID
	causeless    bool
	mentions     bool
}

const deadLetters = "plugin.*.event." + event.TypeDeadLetter

func newFootprint(user string) (*footprint, error) {
	name, err := regexp.Compile(`(?i)(^|[^\pL\pN_-])` + regexp.QuoteMeta(user) + `($|[^\pL\pN_-])`)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", user, err)
	}
	return &footprint{name: name, erased: sequences{}, caused: sequences{}, sharedConversations: map[trace.TraceID]bool{}, lines: map[string][]event.Chat{}}, nil
}

// add adds an event of the person's. Those of a stream come in their order.
func (t *footprint) add(e replay.Event) {
	t.erased.add(e.Ref)
	t.addLine(e)
	id, _ := e.Lineage()
	if talk := propagation.TraceID(id); len(t.conversations) == 0 || t.conversations[len(t.conversations)-1] != talk {
		t.conversations = append(t.conversations, talk)
	}
}

// addLine keeps a chat line that is erased, if the event is one.
func (t *footprint) addLine(e replay.Event) {
	if e.Subject != event.SubjectChat {
		return
	}
	s, err := e.Decode()
	if err != nil {
		return
	}
	if chat, err := event.As[event.Chat](s.Envelope); err == nil {
		kept := append(t.lines[chat.Channel], chat)
		t.lines[chat.Channel] = kept[max(0, len(kept)-maxFingerprints):]
	}
}

func compareIDs(a, b trace.TraceID) int { return bytes.Compare(a[:], b[:]) }

// findEffects reads all streams for what the added events caused, adds the requests to
// what is to be erased, and counts what is left.
func (t *footprint) findEffects(ctx context.Context, js jetstream.JetStream) error {
	slices.SortFunc(t.conversations, compareIDs)
	t.conversations = slices.Compact(t.conversations)
	requests := sequences{}
	var effects []event.Ref // which may be stored before their causes, on two streams
	for e, err := range replay.Read(ctx, js, replay.Query{}) {
		if err != nil {
			return err
		}
		if t.erased.has(e.Ref) {
			t.order = append(t.order, e.Ref)
		} else if t.classify(e, requests) {
			effects = append(effects, e.Ref)
		}
	}
	t.order = append(t.order, effects...)
	for _, r := range t.ambiguous {
		switch {
		case !t.sharedConversations[r.conversation]:
			requests.add(r.ref)
		case r.mentions:
			t.mentions++
		case r.causeless:
			t.answers++
		}
	}
	for stream, seqs := range requests {
		t.erased[stream] = append(t.erased[stream], seqs...)
		slices.Sort(t.erased[stream])
	}
	t.order = slices.DeleteFunc(t.order, func(ref event.Ref) bool { return !t.erased.has(ref) })
	return nil
}

// classify decides about an event that was not added, and reports whether it may be one
// to erase.
func (t *footprint) classify(e replay.Event, requests sequences) bool {
	id, cause := e.Lineage()
	talk := propagation.TraceID(id)
	_, theirs := slices.BinarySearchFunc(t.conversations, talk, compareIDs)
	because := t.erased.has(cause) || t.caused.has(cause)
	causeless := cause == event.Ref{}
	stream, _ := streams.For(e.Subject)
	switch {
	case (stream.NoAck || event.Match(deadLetters, e.Subject)) && because:
		requests.add(e.Ref)
		return true
	case stream.NoAck && theirs:
		t.ambiguous = append(t.ambiguous, request{e.Ref, talk, causeless, e.DataMatches(t.name)})
		return true
	case because, theirs && causeless && !startsConversation(e.Subject):
		t.caused.add(e.Ref)
		if t.eraseAnswers {
			requests.add(e.Ref)
			t.addLine(e)
			return true
		}
		t.answers++
	default:
		if theirs {
			t.sharedConversations[talk] = true
		}
		if e.DataMatches(t.name) {
			t.mentions++
		}
	}
	return false
}

// startsConversation reports whether an event without a cause is what somebody did, and
// not the output of a program that does not name causes.
func startsConversation(subject string) bool {
	return event.Match(event.AllCytube, subject) && !event.Match(event.AllSends, subject) || event.Match(event.AllCommands, subject)
}
