package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
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

// checked is the data that Decode found to be valid JSON, and for which subject New found
// it valid, so that it is not scanned again: that would be most of the cost of publishing
// beyond NATS. It holds for the slice itself: other data is checked anew.
type checked struct {
	subject string // "" after Decode
	data    []byte
}

func (c checked) holds(data []byte) bool {
	return len(c.data) > 0 && len(data) == len(c.data) && &data[0] == &c.data[0]
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
	MetaSettings   = "settings"     // of a plugin's output: the newest revision of its settings that the handler saw, 0 for none
	MetaRetryFor   = "retry_for"    // the one consumer that this retried dead letter is for
	MetaPart       = "part"         // which part of a split message this is, from 1
	MetaConsumer   = "consumer"     // of an echo: the durable consumer of its send, where that is not cytube-sender
	MetaParentSpan = "parent_span"  // the span it was published in, in hex, when no event is its cause
	MetaErrorCode  = "error_code"   // of the error that this answer reports
	MetaTimeout    = "timeout"      // of a command: how many seconds an attempt at it may take, where a setting says so
	MetaResult     = "result"       // retried or dead_letter: of the delivery whose failure this line tells a user

	// MetaClaimedSource is added on reading: the source that a plugin with credentials
	// of its own named, where it is another than the plugin.
	MetaClaimedSource = "claimed_source"
)

// metaKeys are those that most events have.
var metaKeys = [...]string{MetaSource, MetaCausation, MetaWaited}

// New returns an envelope of a payload: one of this package's types, a map or raw JSON.
// A payload that breaks the contract is an INVALID_INPUT error that names the field.
func New(subject string, payload any) (Envelope, error) {
	schema, err := schemaOf(subject)
	if err != nil {
		return Envelope{}, err
	}
	e := Envelope{Subject: subject, Timestamp: time.Now(), Priority: Normal}
	v := reflect.Indirect(reflect.ValueOf(payload))
	if v.IsValid() && v.Type() == schema && !layoutOf(schema).checks {
		e.Data, err = layoutOf(schema).encodeChecked(subject, v) // spares reading what it writes
	} else if e.Data, err = Encode(payload); err != nil {
		err = fmt.Errorf("%s: %w", subject, err)
	} else {
		err = checkData(subject, e.Data, schema)
	}
	e.checked = checked{subject, e.Data}
	return e, err
}

// Validate returns an INVALID_INPUT error unless the envelope's subject is in the contract
// and its data has the shape that the subject asks for. It does not repeat New's own
// check, so the data of an envelope must not be changed in place.
func (e Envelope) Validate() error {
	if e.checked.subject == e.Subject && e.checked.holds(e.Data) {
		return nil
	}
	payload, err := schemaOf(e.Subject)
	if err != nil {
		return err
	}
	if err := e.checkJSON(); err != nil {
		return err
	}
	return checkData(e.Subject, e.Data, payload)
}

// checkJSON returns an error unless the data is an object in valid JSON.
func (e Envelope) checkJSON() error {
	if e.checked.holds(e.Data) {
		return nil
	}
	if !isObject(e.Data) {
		return Errorf(InvalidInput, "%s: data must be an object, not %s", e.Subject, kindOf(e.Data)).With("field", "data")
	}
	if err := rawjson.Check(e.Data); err != nil {
		return Errorf(InvalidInput, "%s: data is not valid JSON: %w", e.Subject, err).With("field", "data")
	}
	return nil
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
	b, err := appendMembers(append(b, '{'), e.Metadata, nil)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	b, err = appendMembers(append(b, '}'), e.Extra, envelopeFields[:])
	return append(b, '}'), err
}

// Decode reads a message body that arrived on subject: an envelope, or a bare payload
// object, which gets that subject and no timestamp. It checks the envelope only; Validate
// checks the payload. Errors are INVALID_INPUT and name the field. The envelope refers to
// the body, which must not be changed afterwards.
func Decode(subject string, body []byte) (Envelope, error) {
	if !isObject(body) {
		return Envelope{}, Errorf(InvalidInput, "%s: the body must be a JSON object", subject).With("field", "")
	}
	if err := rawjson.Check(body); err != nil {
		return Envelope{}, Errorf(InvalidInput, "%s: the body is not valid JSON: %w", subject, err).With("field", "")
	}
	body = bytes.TrimSpace(body)
	var extra Extra
	var values [len(envelopeFields)]json.RawMessage
	split(body, envelopeFields[:], values[:], &extra)
	if values[0] == nil || values[1] == nil {
		return Envelope{Subject: subject, Data: body, Priority: Normal, checked: checked{data: body}}, nil
	}
	e := Envelope{Subject: subject, Priority: Normal, Extra: extra}
	for i, raw := range values {
		if raw == nil || isNull(raw) && i > 1 { // for the subject and data, null is no value
			continue
		}
		if err := e.decode(envelopeFields[i], raw); err != nil {
			return Envelope{}, fieldError(subject, envelopeFields[i], err)
		}
	}
	if e.Subject != subject {
		return Envelope{}, fieldError(subject, "subject", fmt.Errorf("is %q, but the event came on %q", e.Subject, subject))
	}
	e.checked.data = e.Data
	return e, nil
}

var envelopeFields = [...]string{"subject", "data", "timestamp", "priority", "correlation_id", "metadata"}

func (e *Envelope) decode(field string, raw json.RawMessage) (err error) {
	switch field {
	case "subject":
		return decodeValue(raw, &e.Subject)
	case "data":
		if !isObject(raw) {
			return fmt.Errorf("must be an object, not %s", kindOf(raw))
		}
		e.Data = raw
	case "timestamp":
		e.Timestamp, err = decodeTimestamp(raw)
	case "priority":
		return e.Priority.UnmarshalJSON(raw)
	case "correlation_id":
		return decodeValue(raw, &e.CorrelationID)
	case "metadata":
		e.Metadata, err = decodeMetadata(raw)
	}
	return err
}

func decodeTimestamp(raw json.RawMessage) (time.Time, error) {
	if kindOf(raw) != "a number" {
		return time.Time{}, fmt.Errorf("must be a number, not %s", kindOf(raw))
	}
	// From 2^33 (the year 2242) on a float no longer holds microseconds; a larger number
	// is most likely milliseconds.
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || seconds < 0 || seconds >= 1<<33 {
		return time.Time{}, fmt.Errorf("must be Unix seconds, not %s", raw)
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(math.Round(part*1e6))*1000), nil
}

// decodeMetadata keeps numbers as they are written.
func decodeMetadata(raw json.RawMessage) (map[string]any, error) {
	if !isObject(raw) {
		return nil, fmt.Errorf("must be an object, not %s", kindOf(raw))
	}
	var m map[string]any
	for name, value := range rawjson.Members(raw) {
		v, err := decodeAny(value)
		if err != nil {
			return nil, err
		}
		if m == nil {
			m = make(map[string]any, 8) // one group of a map: with what publishing adds
		}
		key := rawjson.Text(name)
		if i := index(metaKeys[:], key); i >= 0 { // spares a string for nearly all
			m[metaKeys[i]] = v
		} else {
			m[string(key)] = v
		}
	}
	return m, nil
}

func decodeAny(raw []byte) (any, error) {
	switch raw[0] {
	case '"':
		return string(rawjson.Text(raw)), nil
	case 'n':
		return nil, nil
	case 't', 'f':
		return raw[0] == 't', nil
	case '{', '[':
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var v any
		err := d.Decode(&v)
		return v, err
	}
	return json.Number(raw), nil
}
