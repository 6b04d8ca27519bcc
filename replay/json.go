package replay

import (
	"bytes"
	"encoding/json"
	"io"
	"time"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
)

// storedLayout is RFC 3339 with all nanoseconds, so that lines sort as text.
const storedLayout = "2006-01-02T15:04:05.000000000Z07:00"

// writeJSON writes one event as one line: its envelope with stream, seq and
// stored_at added. A malformed event also has malformed, the reason, and, when
// no envelope could be read, its body as text in body or body_base64.
func writeJSON(w io.Writer, e Event) error {
	line, err := marshalEvent(e)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

func marshalEvent(e Event) ([]byte, error) {
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

// jsonTime is a time in output: RFC 3339 in UTC, or null.
type jsonTime time.Time

func (t jsonTime) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(time.Time(t).UTC().Format(storedLayout))
}
