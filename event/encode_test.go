package event_test

import (
	"encoding/json"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// A struct that is none of this package's payload types is written as
// encoding/json writes it, fields without a tag included.
func TestEncodeOfOtherStructs(t *testing.T) {
	t.Parallel()
	type inner struct{ B int }
	for want, payload := range map[string]any{
		`{"Name":"a<b","N":1}`: struct {
			Name string
			N    int
		}{"a<b", 1},
		`{"B":2,"C":3}`: struct {
			inner
			C int
		}{inner{2}, 3},
		`{"x":4,"Y":5}`: &struct {
			X      int `json:"x"`
			Y      int
			hidden int
		}{4, 5, 6},
		`{"to":"a","message":"b"}`: event.SendPM{To: "a", Message: "b"},
	} {
		if got, err := event.Encode(payload); err != nil || string(got) != want {
			t.Errorf("%+v is %s, %v; want %s", payload, got, err, want)
		}
	}
}

// Raw JSON that a payload brings along is checked, wherever it stands.
func TestEncodeOfBrokenJSON(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]any{
		"raw":            json.RawMessage(`{"a":}`),
		"a field":        event.Set{Collection: "quotes", Data: json.RawMessage(`{"a":}`)},
		"an extra field": event.SendChat{Message: "hi", Extra: event.Extra{"x": json.RawMessage(`}`)}},
		"in a map":       map[string]any{"x": json.RawMessage(`}`)},
	} {
		if raw, err := event.Encode(payload); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("%s: %s, %v", name, raw, err)
		}
	}
}
