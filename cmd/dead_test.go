package cmd

import (
	"encoding/json"
	"testing"
)

func TestBodyInJSON(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{`{"user": "alice"}`: `{"user":"alice"}`, "no JSON": `"no JSON"`} {
		if got, err := json.Marshal(jsonBody([]byte(body))); err != nil || string(got) != want {
			t.Errorf("%s is printed as %s, %v", body, got, err)
		}
	}
	if jsonBody(nil) != nil {
		t.Error("an event that is gone has a body")
	}
}
