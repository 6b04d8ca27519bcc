package event_test

import (
	"encoding/json"
	"math"
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

// Values are written as encoding/json writes them, quick ways or not.
func TestEncodeValues(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		"a", "é\"\\\x00", true, false, 0, -7, 0.0, math.Copysign(0, -1), 1e-6, 9.9e-7, 1e20, 1e21, 0.001234, -3.5, 12345678.125, 1e-9, math.MaxFloat64,
		nil, []string{"a"}, map[string]any{"x": 1.5},
	} {
		want, err := json.Marshal(map[string]any{"v": v})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := event.Encode(map[string]any{"v": v}); err != nil || string(got) != string(want) {
			t.Errorf("%v is %s, %v; want %s", v, got, err, want)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		if got, err := event.Encode(map[string]any{"v": v}); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("%v is %s, %v", v, got, err)
		}
	}
}

// An error names what is wrong where it is wrong.
func TestNestedErrors(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		`["2d6",3]`:      "plugin.dice-roller.command: args has a number where a string must be",
		`"2d6"`:          "plugin.dice-roller.command: args must be a list, not a string",
		`[["2d6"],"ab"]`: "plugin.dice-roller.command: args has a list where a string must be",
	} {
		err := event.Envelope{Subject: event.CommandSubject("dice-roller"), Data: json.RawMessage(`{"command":"roll","user":"alice","args":` + args + `}`)}.CheckData()
		if err == nil || err.Error() != want {
			t.Errorf("args %s: %v, want %q", args, err, want)
		}
	}
}
