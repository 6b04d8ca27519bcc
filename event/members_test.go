package event

import (
	"encoding/json"
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
