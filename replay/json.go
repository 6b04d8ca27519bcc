package replay

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
)

// storedLayout is RFC 3339 with all nanoseconds, so that lines sort as text.
const storedLayout = "2006-01-02T15:04:05.000000000Z07:00"

// marshalEvent returns an event as one line: its envelope with stream, seq and
// stored_at added. A malformed event also has malformed, the reason, and, when
// no envelope could be read, its body as text in body or body_base64.
func marshalEvent(e Event) ([]byte, error) {
	if line := spliceEvent(e); line != nil {
		return line, nil
	}
	return encodeEvent(e)
}

func encodeEvent(e Event) ([]byte, error) {
	stored, malformed := e.Decode()
	added := map[string]any{"stream": e.Ref.Stream, "seq": e.Ref.Seq, "stored_at": e.At.UTC().Format(storedLayout)}
	if malformed != nil {
		added["malformed"] = malformed.Error()
	}
	if stored.Data == nil {
		added["subject"], added["data"], added["correlation_id"] = e.Subject, nil, stored.CorrelationID
		if utf8.Valid(e.Body) {
			added["body"] = string(e.Body)
		} else {
			added["body_base64"] = e.Body
		}
		return json.Marshal(added)
	}
	extra := make(event.Extra, len(stored.Extra)+len(added))
	for name, raw := range stored.Extra {
		extra[name] = raw
	}
	for name, v := range added {
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		extra[name] = raw
	}
	stored.Extra = extra
	line, err := stored.Envelope.MarshalJSON()
	if err != nil || bytes.IndexByte(line, '\n') < 0 {
		return line, err
	}
	// Somebody published a body laid out for people.
	var one bytes.Buffer
	err = json.Compact(&one, line)
	return one.Bytes(), err
}

// spliceEvent is marshalEvent for an envelope that is on one line and complete, as
// the Bus writes it: the fields are added to it as it is. For any other it is
// nil.
func spliceEvent(e Event) []byte {
	var data []byte
	plain, seen := true, 0
	ok := members(e.Body, func(name, value []byte) {
		switch string(name) {
		case "subject":
			plain = plain && seen&1 == 0 && string(unquote(value)) == e.Subject
			seen |= 1
		case "data":
			plain = plain && seen&2 == 0 && value[0] == '{'
			data, seen = value, seen|2
		case "timestamp":
			// Up to ten digits before the point cannot be milliseconds.
			whole, _, _ := bytes.Cut(value, []byte("."))
			plain = plain && seen&4 == 0 && len(whole) <= 9+1 && whole[0] == '1' && !bytes.ContainsAny(value, "eE")
			seen |= 4
		case "priority":
			plain = plain && seen&8 == 0 && len(value) == 1 && value[0] <= '3'
			seen |= 8
		case "correlation_id":
			id := unquote(value)
			plain = plain && seen&16 == 0 && len(id) > 0 && len(id) <= event.MaxCorrelationID
			seen |= 16
		case "metadata":
			plain = plain && seen&32 == 0 && value[0] == '{'
			seen |= 32
		case "stream", "seq", "stored_at", "malformed":
			plain = false
		}
	})
	if !ok || !plain || seen != 63 || bytes.ContainsAny(e.Body, "\n\r") || event.CheckData(e.Subject, data) != nil {
		return nil
	}
	end := bytes.LastIndexByte(e.Body, '}')
	line := make([]byte, 0, len(e.Body)+96)
	line = append(append(line, e.Body[:end]...), `,"stream":"`...)
	line = append(append(line, e.Ref.Stream...), `","seq":`...)
	line = append(strconv.AppendUint(line, e.Ref.Seq, 10), `,"stored_at":"`...)
	line = e.At.UTC().AppendFormat(line, storedLayout)
	return append(line, `"}`...)
}

// jsonTime is a time in output: RFC 3339 in UTC, or null.
type jsonTime time.Time

func (t jsonTime) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(time.Time(t).UTC().Format(storedLayout))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// encode is json.Marshal without escapes for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
