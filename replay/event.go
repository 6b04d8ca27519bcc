package replay

import (
	"regexp"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Event is one stored message as its stream has it. Its body is not decoded
// until asked, since most of what a search reads is passed over.
type Event struct {
	Ref     event.Ref
	At      time.Time // when the stream stored it
	Subject string
	Header  nats.Header
	Body    []byte
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
		err = event.CheckData(e.Subject, env.Data)
	}
	return streams.Stored{Envelope: env, Ref: e.Ref, At: e.At, Attempt: 1, Header: e.Header}, err
}

// Lineage is the event's correlation ID, as Decode has it, and the event that it
// names as its cause, if any, read without decoding the rest.
func (e Event) Lineage() (correlation string, cause event.Ref) {
	f, _ := e.scan()
	if named := member(f.metadata, event.MetaCausation); named != "" {
		cause, _ = event.ParseRef(named)
	}
	return e.correlation(f), cause
}

// DataMatches reports whether one of the values of the event's data matches, as
// Filter.Grep does.
func (e Event) DataMatches(re *regexp.Regexp) bool {
	f, ok := e.scan()
	return e.says(re, f, ok)
}

func (e *Event) says(re *regexp.Regexp, f fields, ok bool) bool {
	if !ok {
		return re.Match(e.Body)
	}
	return grep(re, f.data)
}

// fields are the parts of a body that filters look at, raw. Of a bare payload
// only data is set.
type fields struct {
	data, correlation, metadata []byte
}

// scan finds the body's parts. It reports whether the body is a JSON object.
func (e *Event) scan() (f fields, ok bool) {
	var subject, data []byte
	ok = members(e.Body, func(name, value []byte) {
		switch string(name) {
		case "subject":
			subject = value
		case "data":
			data = value
		case "correlation_id":
			f.correlation = value
		case "metadata":
			f.metadata = value
		}
	})
	if !ok {
		return fields{}, false
	}
	if subject == nil || data == nil {
		return fields{data: e.Body}, true
	}
	f.data = data
	return f, true
}

// correlation is the event's correlation ID, without decoding it.
func (e *Event) correlation(f fields) string {
	if id := propagation.CorrelationOf(string(unquote(f.correlation)), e.Header); id != "" {
		return id
	}
	return propagation.ImpliedCorrelation(e.Ref, e.At)
}
