package event

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// FuzzValid holds the quick validation against encoding/json.
func FuzzValid(f *testing.F) {
	for _, s := range []string{
		`{}`, ` {"a":[1,-0.5e+3,true,false,null,"\u00e9\\"]} `, `{"a":01}`, `{"a":"` + "\x01" + `"}`, `{"a":1,}`, `[1 2]`, `"\x"`, `-`, `1.`, `1e`, "\"\xff\"",
		strings.Repeat("[", 100) + strings.Repeat("]", 100), `{"a":nul}`, ``, "\u2028", `{"a":tru`, `{"a"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got, want := valid(raw), json.Valid(raw); got != want {
			t.Errorf("%q is valid: %v, encoding/json says %v", raw, got, want)
		}
	})
}

// FuzzTexts holds the reading of lists of strings against encoding/json.
func FuzzTexts(f *testing.F) {
	for _, s := range []string{`[]`, `["a","b"]`, ` [ "a" , "\u00e9\"" ] `, `["a",1]`, `[null]`, `[["a"]]`, `{"a":"b"}`, `"a"`, `[true]`, "[\"\xff\"]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if raw = bytes.TrimSpace(raw); !json.Valid(raw) {
			return
		}
		got, ok := texts(raw, true)
		if _, checked := texts(raw, false); checked != ok {
			t.Fatalf("%q is a list of strings: %v, and only checked: %v", raw, ok, checked)
		}
		var want []string
		if err := json.Unmarshal(raw, &want); ok && (err != nil || !slices.Equal(got, want)) {
			t.Errorf("%q is read as %q, encoding/json says %q, %v", raw, got, want, err)
		}
		if plain, _ := json.Marshal(want); !ok && bytes.Equal(plain, raw) && raw[0] == '[' {
			t.Errorf("%q is not read", raw)
		}
	})
}

// What is nested deeper than encoding/json reads is refused, at any length.
func TestDeepNesting(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{1, maxDepth / 2, maxDepth, maxDepth + 1, 500_000} {
		raw := []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))
		if got, want := valid(raw), json.Valid(raw); got != want {
			t.Errorf("%d levels are valid: %v, encoding/json says %v", depth, got, want)
		}
	}
}
