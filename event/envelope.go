package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/rosey-bot/rosey/internal/rawjson"
)

// Envelope is the body of every event (contract: Event Structure).
type Envelope struct {
	Subject       string          // NATS subject
	Data          json.RawMessage // the payload, always a JSON object; replace it, never change it in place
	Timestamp     time.Time       // of creation, to the microsecond; zero, written as null, when not known
	Priority      Priority        // NORMAL unless set
	CorrelationID string          // "" when there is none
	Metadata      map[string]any  // source, causation_id and any other entries
	Extra         Extra           // envelope fields that the contract does not name

	checked checked
}

// checked is what New found valid, so that publishing does not validate it again, which
// would be most of the cost of publishing beyond NATS. It holds for the slice itself:
// an envelope with another subject or other data is validated anew.
type checked struct {
	subject string
	data    []byte
}

func (c checked) holds(subject string, data []byte) bool {
	return c.subject == subject && len(c.data) > 0 && len(data) == len(c.data) && &data[0] == &c.data[0]
}

// Keys of Envelope.Metadata that Rosey itself writes.
const (
	MetaSource     = "source"       // who published the event
	MetaCausation  = "causation_id" // STREAM:SEQ of the event being handled
	MetaBackfill   = "backfill"     // true: read from a chat buffer that predates the bot
	MetaBuffered   = "buffered"     // true: read from a chat buffer after a disconnect
	MetaFound      = "found"        // true: part of the state at joining, which may be older
	MetaAttempt    = "attempt"      // which attempt at the causing event made this, when not the first
	MetaWaited     = "waited"       // how long the causing event had waited in its stream, in seconds
	MetaRetryFor   = "retry_for"    // the one consumer that this retried dead letter is for
	MetaPart       = "part"         // which part of a split message this is, from 1
	MetaParentSpan = "parent_span"  // the span it was published in, in hex, when no event is its cause
	MetaErrorCode  = "error_code"   // of the error that this answer reports
)

// New returns an envelope of a payload: one of this package's types, a map or raw JSON.
// A payload that breaks the contract is an INVALID_INPUT error that names the field.
func New(subject string, payload any) (Envelope, error) {
	data, err := Encode(payload)
	if err != nil {
		return Envelope{}, fmt.Errorf("%s: %w", subject, err)
	}
	e := Envelope{Subject: subject, Data: data, Timestamp: time.Now(), Priority: Normal}
	if err := e.Validate(); err != nil {
		return e, err
	}
	e.checked = checked{subject, data}
	return e, nil
}

// Validate returns an INVALID_INPUT error unless the envelope's subject is in the contract
// and its data has the shape that the subject asks for. It does not repeat New's own
// check, so the data of an envelope must not be changed in place.
func (e Envelope) Validate() error {
	if e.checked.holds(e.Subject, e.Data) {
		return nil
	}
	payload, err := schemaOf(e.Subject)
	if err != nil {
		return err
	}
	return checkData(e.Subject, e.Data, payload)
}

// Meta returns a metadata entry as text, or "".
func (e Envelope) Meta(key string) string {
	s, _ := e.Metadata[key].(string)
	return s
}

// WithMeta returns the envelope with a metadata entry set; e is unchanged.
func (e Envelope) WithMeta(key string, value any) Envelope {
	m := make(map[string]any, len(e.Metadata)+1)
	for k, v := range e.Metadata {
		m[k] = v
	}
	m[key] = value
	e.Metadata = m
	return e
}

// Causation returns the stored event that caused this one, if metadata names one.
func (e Envelope) Causation() (Ref, bool) {
	r, err := ParseRef(e.Meta(MetaCausation))
	return r, err == nil
}

// MarshalJSON writes the contract's envelope; fields it does not know come last.
func (e Envelope) MarshalJSON() ([]byte, error) {
	if !isObject(e.Data) {
		return nil, Errorf(InvalidInput, "data must be an object").With("field", "data")
	}
	b := make([]byte, 0, len(e.Data)+256)
	b = append(b, `{"subject":`...)
	b = appendString(b, e.Subject)
	b = append(b, `,"data":`...)
	b = append(b, e.Data...)
	b = append(b, `,"timestamp":`...)
	if e.Timestamp.IsZero() {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendFloat(b, float64(e.Timestamp.UnixMicro())/1e6, 'f', -1, 64)
	}
	b = append(b, `,"priority":`...)
	b = strconv.AppendInt(b, int64(e.Priority), 10)
	b = append(b, `,"correlation_id":`...)
	if e.CorrelationID == "" {
		b = append(b, "null"...)
	} else {
		b = appendString(b, e.CorrelationID)
	}
	b = append(b, `,"metadata":`...)
	if len(e.Metadata) == 0 {
		b = append(b, "{}"...)
	} else {
		var err error
		if b, err = appendObject(b, e.Metadata); err != nil {
			return nil, fmt.Errorf("metadata: %w", err)
		}
	}
	return append(e.Extra.append(b, isEnvelopeField), '}'), nil
}

// Decode reads a message body that arrived on subject: an envelope, or a bare payload
// object, which gets that subject and no timestamp. It checks the envelope only; Validate
// checks the payload. Errors are INVALID_INPUT and name the field. The envelope refers to
// the body, which must not be changed afterwards.
func Decode(subject string, body []byte) (Envelope, error) {
	if !isObject(body) {
		return Envelope{}, Errorf(InvalidInput, "%s: the body must be a JSON object", subject).With("field", "")
	}
	body = bytes.TrimSpace(body)
	var few fewMembers
	fields, err := members(few[:0], body)
	if err != nil {
		return Envelope{}, Errorf(InvalidInput, "%s: the body is not valid JSON: %w", subject, err).With("field", "")
	}
	if !hasMember(fields, "subject") || !hasMember(fields, "data") {
		return Envelope{Subject: subject, Data: body, Priority: Normal}, nil
	}
	e := Envelope{Subject: subject, Priority: Normal}
	for _, f := range envelopeFields {
		raw, ok := take(fields, f.name)
		if !ok || isNull(raw) && !f.required {
			continue
		}
		if err := f.read(raw, &e); err != nil {
			return Envelope{}, fieldError(subject, f.name, err)
		}
	}
	if e.Subject != subject {
		return Envelope{}, fieldError(subject, "subject", fmt.Errorf("is %q, but the event came on %q", e.Subject, subject))
	}
	e.Extra = extra(fields)
	return e, nil
}

var envelopeFields = [...]struct {
	name     string
	required bool // null is no value for it
	read     func(json.RawMessage, *Envelope) error
}{
	{"subject", true, func(raw json.RawMessage, e *Envelope) error {
		if kindOf(raw) == "a string" && string(rawjson.Text(raw)) == e.Subject {
			return nil // the usual case, without an allocation
		}
		return decodeText(raw, &e.Subject)
	}},
	{"data", true, func(raw json.RawMessage, e *Envelope) error {
		if !isObject(raw) {
			return fmt.Errorf("must be an object, not %s", kindOf(raw))
		}
		e.Data = raw
		return nil
	}},
	{"timestamp", false, func(raw json.RawMessage, e *Envelope) error { return decodeTimestamp(raw, &e.Timestamp) }},
	{"priority", false, func(raw json.RawMessage, e *Envelope) error { return e.Priority.UnmarshalJSON(raw) }},
	{"correlation_id", false, func(raw json.RawMessage, e *Envelope) error { return decodeText(raw, &e.CorrelationID) }},
	{"metadata", false, func(raw json.RawMessage, e *Envelope) (err error) {
		e.Metadata, err = decodeMetadata(raw)
		return err
	}},
}

func isEnvelopeField(name string) bool {
	for i := range envelopeFields {
		if envelopeFields[i].name == name {
			return true
		}
	}
	return false
}

func decodeTimestamp(raw json.RawMessage, t *time.Time) error {
	if kindOf(raw) != "a number" {
		return fmt.Errorf("must be a number, not %s", kindOf(raw))
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return fmt.Errorf("must be Unix seconds, not %s", raw)
	}
	// From 2^33 (the year 2242) on a float no longer holds microseconds; a larger number
	// is most likely milliseconds.
	if seconds < 0 || seconds >= 1<<33 {
		return fmt.Errorf("must be Unix seconds, not %s", raw)
	}
	whole, part := math.Modf(seconds)
	*t = time.Unix(int64(whole), int64(math.Round(part*1e6))*1000)
	return nil
}

func decodeMetadata(raw json.RawMessage) (map[string]any, error) {
	if !isObject(raw) {
		return nil, fmt.Errorf("must be an object, not %s", kindOf(raw))
	}
	var few fewMembers
	fields, err := members(few[:0], raw)
	if err != nil || len(fields) == 0 {
		return nil, err
	}
	m := make(map[string]any, len(fields)+1) // forwarding adds an entry
	for _, f := range fields {
		if m[string(f.name)], err = decodeAny(f.raw); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// decodeAny reads any value, numbers as they are written.
func decodeAny(raw json.RawMessage) (v any, err error) {
	switch raw[0] {
	case '"':
		return text(raw), nil
	case 't', 'f':
		return raw[0] == 't', nil
	case 'n':
		return nil, nil
	case '{', '[':
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		err = d.Decode(&v)
		return v, err
	default:
		return json.Number(raw), nil
	}
}
