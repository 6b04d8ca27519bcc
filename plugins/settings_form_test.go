package plugins

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

type shared struct {
	Hosts []string `json:"hosts" pattern:"^[a-z.]+$" example:"youtube.com" jsonschema:"hosts"`
	Words []string `json:"words" format:"regex" jsonschema:"words"`
}

type own struct {
	shared
	Step string        `json:"step" default:"mute:1h" pattern:"^(kick|mute:[0-9]+h)$" example:"mute:1h" jsonschema:"step"`
	For  time.Duration `json:"for" default:"2m" min:"1m" jsonschema:"for how long"`
}

// Fields of an embedded struct are settings, too; what is not of a setting's form is refused
// by its name, and the rest has its default.
func TestDecodeSettings(t *testing.T) {
	t.Parallel()
	if err := (Plugin{Name: "x", Version: "1.0.0", Settings: own{}}).Validate(); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		`{"hosts":["a.b"],"words":["sp.m"],"for":90}`: "",
		`{"hosts":["a.b","no host"]}`:                 "hosts must be words with commas between them, each such as youtube.com, not a.b,no host",
		`{"words":["ok","(?=x)"]}`:                    `words: "(?=x)" is no regular expression of RE2`,
		`{"step":"hug"}`:                              "step must be a text such as mute:1h, not hug",
		`{"for":1}`:                                   "for must be a time such as 90s or 2h",
	} {
		var values map[string]json.RawMessage
		if err := json.Unmarshal([]byte(given), &values); err != nil {
			t.Fatal(err)
		}
		s, err := DecodeSettings[own](values)
		switch {
		case want == "" && (err != nil || s.Hosts[0] != "a.b" || s.For != 90*time.Second || s.Step != "mute:1h"):
			t.Errorf("%s: %+v, %v", given, s, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%s: %v, want %s", given, err, want)
		}
	}
}
