package event_test

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rosey-bot/rosey/event"
)

func FuzzDecode(f *testing.F) {
	for _, ex := range examples {
		f.Add(ex.subject, envelope(ex.subject, ex.payload))
		f.Add(ex.subject, []byte(ex.payload))
	}
	f.Add("cytube.chat", []byte(`{"subject":"cytube.chat","data":{},"timestamp":8589934591.999999,"priority":"high","metadata":{"a":1e400},"x":"\ud800"}`))
	f.Fuzz(func(t *testing.T, subject string, body []byte) {
		if !utf8.ValidString(subject) {
			t.Skip("JSON cannot hold it, and no subject of the contract looks so")
		}
		e, err := event.Decode(subject, body)
		if err != nil {
			if event.CodeOf(err) != event.InvalidInput {
				t.Fatalf("not INVALID_INPUT: %v", err)
			}
			return
		}
		_ = e.Validate()
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(e.Data, &fields); err != nil {
			t.Fatal(err)
		}
		payload, err := event.As[event.PluginEvent](e)
		if err != nil || len(payload.Extra) != len(fields) {
			t.Fatalf("%d of %d fields: %v", len(payload.Extra), len(fields), err)
		}
		for name, raw := range fields {
			if string(payload.Extra[name]) != string(raw) {
				t.Fatalf("%s is %s, read as %s", name, raw, payload.Extra[name])
			}
		}
		out, err := e.MarshalJSON()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if !json.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
		back, err := event.Decode(e.Subject, out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v: %s", err, out)
		}
		if diff := cmp.Diff(e, back, cmpopts.IgnoreUnexported(e), cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
			cmp.Comparer(func(a, b json.RawMessage) bool { return string(a) == string(b) }),
			cmp.Comparer(func(a, b map[string]any) bool { return len(a) == 0 && len(b) == 0 || cmp.Equal(a, b) })); diff != "" {
			t.Fatalf("changed (-read +written):\n%s", diff)
		}
	})
}
