package cmd

import (
	"encoding/json"
	"testing"
)

// An event is printed as the JSON that it is; what is none is printed as text.
func TestJSONBody(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"user":"alice"}`: `{"event":{"user":"alice"}}`,
		`{"user":`:         `{"event":"{\"user\":"}`,
		"":                 `{"event":""}`,
	} {
		if got, err := json.Marshal(map[string]any{"event": jsonBody([]byte(body))}); err != nil || string(got) != want {
			t.Errorf("%q: %s, %v, want %s", body, got, err, want)
		}
	}
	if got := jsonBody(nil); got != nil {
		t.Errorf("no event: %v", got)
	}
}
