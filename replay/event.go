package replay

import (
	"iter"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/rawjson"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Event is one stored message as its stream has it. Its body is decoded on demand,
// since a search skips most of what it reads.
type Event struct {
	Ref     event.Ref
	At      time.Time // when the stream stored it
	Subject string
	Header  nats.Header
	Body    []byte
	// ClockStep is by how much the stream's clock was set back before this event, as a
	// negative duration: the event before it has a later time. Zero if that is not so, or
	// by so little as servers of a cluster differ.
	ClockStep time.Duration
}

// NewEvent returns a message of a stream as an Event.
func NewEvent(stream string, raw *jetstream.RawStreamMsg) Event {
	return Event{Ref: event.Ref{Stream: stream, Seq: raw.Sequence}, At: raw.Time, Subject: raw.Subject, Header: raw.Header, Body: raw.Data}
}

// Decode reads the event's envelope; an event without a correlation ID has its
// propagation.ImpliedCorrelation. On a malformed body the error is INVALID_INPUT and
// names the field. The Stored then has all but the body's fields, or those too
// where only the payload breaks the contract.
func (e Event) Decode() (streams.Stored, error) {
	env, err := streams.Decode(e.Subject, e.Header, e.Body, e.At)
	if env.CorrelationID == "" {
		env.CorrelationID = propagation.ImpliedCorrelation(e.Ref, e.At)
	}
	if err == nil {
		err = env.CheckData()
	}
	return streams.Stored{Envelope: env, Ref: e.Ref, At: e.At, Attempt: 1, Header: e.Header}, err
}

// Lineage returns the event's correlation ID, as Decode has it, and the event that
// it names as its cause, if any, without decoding the rest.
func (e Event) Lineage() (correlation string, cause event.Ref) {
	f := e.fields()
	if named := member(f.metadata, event.MetaCausation); named != "" {
		cause, _ = event.ParseRef(named)
	}
	return e.correlation(f), cause
}

// DataMatches reports whether one of the values of the event's data matches, as
// Filter.Grep does.
func (e Event) DataMatches(re *regexp.Regexp) bool { return e.fields().match(re) }

// fields are the parts of a body that filters look at, raw. Of a bare payload
// only data is set.
type fields struct {
	data, correlation, metadata []byte

	body  []byte
	valid bool // whether the body is a JSON object
}

func (e Event) fields() fields {
	f := fields{body: e.Body, valid: rawjson.IsObject(e.Body)}
	if !f.valid {
		return f
	}
	var subject []byte
	for name, value := range members(e.Body) {
		switch string(name) {
		case "subject":
			subject = value
		case "data":
			f.data = value
		case "correlation_id":
			f.correlation = value
		case "metadata":
			f.metadata = value
		}
	}
	if subject == nil || f.data == nil {
		return fields{data: e.Body, valid: true}
	}
	return f
}

// match looks for a match in one of the data's values, in a text without its JSON
// escapes.
func (f fields) match(re *regexp.Regexp) bool {
	if !f.valid {
		return MatchText(re, string(f.body))
	}
	for _, value := range members(f.data) {
		if text := unquote(value); text != nil {
			value = text
		}
		if MatchText(re, string(value)) {
			return true
		}
	}
	return false
}

// correlation returns the event's correlation ID, without decoding it.
func (e *Event) correlation(f fields) string {
	if id := propagation.CorrelationOf(string(unquote(f.correlation)), e.Header); id != "" {
		return id
	}
	return propagation.ImpliedCorrelation(e.Ref, e.At)
}

// members yields the name and the raw value of each member of valid JSON, if that is an
// object, in order. Values are parts of b.
func members(b []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		if len(b) == 0 {
			return
		}
		for name, value := range rawjson.Members(b) {
			if !yield(rawjson.Text(name), value) {
				return
			}
		}
	}
}

// member returns the text of a JSON object's member, or "".
func member(object []byte, wanted string) (text string) {
	for name, value := range members(object) {
		if string(name) == wanted {
			text = string(unquote(value))
		}
	}
	return text
}

// unquote returns the text of a raw JSON string, or nil for any other value.
func unquote(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	return rawjson.Text(raw)
}
