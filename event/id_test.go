package event_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
)

func TestIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(
			rapid.Map(rapid.Int64(), event.IntID),
			rapid.Map(rapid.StringN(1, 20, -1), func(s string) event.ID { return event.ID(s) }),
		).Draw(t, "id")
		raw, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		var back event.ID
		if err := json.Unmarshal(raw, &back); err != nil || back != id {
			t.Fatalf("%q became %q, %v", id, back, err)
		}
	})
	if raw, err := json.Marshal(event.ID("")); err != nil || string(raw) != "null" {
		t.Errorf("the empty ID: %s, %v", raw, err)
	}
}

// Half of a surrogate pair would become another ID.
func TestIDsAreUnicode(t *testing.T) {
	t.Parallel()
	for raw, valid := range map[string]bool{`"\ud800"`: false, `"a\udc00b"`: false, `"\ufffd"`: true, `"�"`: true, `"\ud83d\ude00"`: true} {
		var id event.ID
		if err := json.Unmarshal([]byte(raw), &id); (err == nil) != valid {
			t.Errorf("%s became %q, %v", raw, id, err)
		}
	}
}
