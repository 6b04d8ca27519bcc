package streams

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// HeaderPublisher names the plugin on whose credentials a message was published. The
// gateway of the plugin's account sets it, and drops any that the plugin sets (package
// streams/access).
const HeaderPublisher = "Rosey-Publisher"

// Stored is an event read back from a stream. Ref and At are JetStream's own;
// Attempt counts deliveries to the reading consumer from 1.
type Stored struct {
	event.Envelope
	Ref     event.Ref
	At      time.Time // when the stream stored it
	Attempt int
	Header  nats.Header
}

// Read makes a Stored of a JetStream message. An event that came without a
// correlation ID has its propagation.ImpliedCorrelation. On a malformed body the error is
// INVALID_INPUT and names the field; the Stored then has everything but the
// body's fields, with the body's text as data when that is not an object.
func Read(msg jetstream.Msg) (Stored, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Stored{}, fmt.Errorf("read a message on %s: %w", msg.Subject(), err)
	}
	e, err := Decode(msg.Subject(), msg.Headers(), msg.Data(), meta.Timestamp)
	s := Stored{
		Envelope: e,
		Ref:      event.Ref{Stream: meta.Stream, Seq: meta.Sequence.Stream},
		At:       meta.Timestamp,
		Attempt:  int(meta.NumDelivered),
		Header:   msg.Headers(),
	}
	return s.correlated(), err
}

// ReadRaw is Read for a message that was fetched from a stream directly.
func ReadRaw(stream string, raw *jetstream.RawStreamMsg) (Stored, error) {
	e, err := Decode(raw.Subject, raw.Header, raw.Data, raw.Time)
	s := Stored{Envelope: e, Ref: event.Ref{Stream: stream, Seq: raw.Sequence}, At: raw.Time, Attempt: 1, Header: raw.Header}
	return s.correlated(), err
}

func (s Stored) correlated() Stored {
	if s.CorrelationID == "" {
		s.CorrelationID = propagation.ImpliedCorrelation(s.Ref, s.At)
	}
	return s
}

// TypedAt returns when a chat line was typed. Only for a line that was read from the
// channel's chat buffer is that CyTube's time: it was stored later.
func (s Stored) TypedAt(line event.Chat) time.Time {
	if s.Metadata[event.MetaBuffered] == true {
		return time.UnixMilli(line.Time)
	}
	return s.At
}

// Decode reads a body with its headers. A bare payload, or an envelope without
// them, gets its correlation ID from the headers, and its timestamp from at.
func Decode(subject string, header nats.Header, body []byte, at time.Time) (event.Envelope, error) {
	if event.Match(event.AllSchedules, subject) {
		// The body of a schedule is the event that is stored when its time comes.
		subject = event.FromDue(cmp.Or(header.Get(jetstream.ScheduleTargetHeader), subject))
	}
	e, err := event.Decode(subject, body)
	if err != nil {
		e = event.Envelope{Subject: subject, Priority: event.Normal}
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = at
	}
	e.CorrelationID = propagation.CorrelationOf(e.CorrelationID, header)
	if plugin := header.Get(HeaderPublisher); plugin != "" {
		e = proven(e, Durable(plugin))
	}
	return e, err
}

// proven returns e with its proven source. What the publisher itself says of where
// the event comes from stays as a claim.
func proven(e event.Envelope, source string) event.Envelope {
	meta := maps.Clone(e.Metadata)
	if meta == nil {
		meta = map[string]any{}
	}
	if claimed := e.Meta(event.MetaSource); claimed != "" && claimed != source {
		meta[event.MetaClaimedSource] = claimed
	}
	meta[event.MetaSource] = source
	e.Metadata = meta
	return e
}

// ContextWithEvent returns the context in which an event is handled: it carries the
// event's correlation ID, the event as the cause of whatever is published, and
// the event's span as parent.
func ContextWithEvent(ctx context.Context, s Stored) context.Context {
	return propagation.ContextWithEvent(ctx, s.CorrelationID, s.Ref, s.Header)
}
