package rawjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/internal/rawjson"
)

var seeds = []string{
	`{}`, ` {"a":[1,-0.5e+3,true,false,null,"\u00e9\\"]} `, `{"a":01}`, `{"a":"` + "\x01" + `"}`, `{"a":1,}`, `[1 2]`, `"\x"`, `-`, `1.`, `1e`, "\"\xff\"",
	strings.Repeat("[", 100) + strings.Repeat("]", 100), `{"a":nul}`, ``, "\u2028", `{"a":tru`, `{"a"`, `{"a":1}{`, `{"a":1,"a":2}`, `[]`, `["a","b"]`,
	` [ "a" , "\u00e9\"" ] `, `["\ud800"]`, `{"\ud800\u0041":1}`, "{\"\xff\":1}", `[[`, `[,]`, `{"a":1]`,
}

func FuzzValid(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got, want := rawjson.Valid(raw), json.Valid(raw); got != want {
			t.Errorf("%q is valid: %v, encoding/json says %v", raw, got, want)
		}
	})
}

func FuzzMembers(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want map[string]json.RawMessage
		err := json.Unmarshal(raw, &want)
		isObject := err == nil && bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{"))
		if rawjson.IsObject(raw) != isObject {
			t.Fatalf("%q is an object: %v, encoding/json says %v", raw, !isObject, err)
		}
		if !isObject {
			return
		}
		got := map[string]string{}
		for name, value := range rawjson.Members(raw) {
			got[string(rawjson.Text(name))] = string(value)
		}
		if len(got) != len(want) {
			t.Fatalf("%q has the members %v, encoding/json says %s", raw, got, want)
		}
		for name, value := range want {
			if got[name] != string(value) {
				t.Errorf("%q: %q is %s, encoding/json says %s", raw, name, got[name], value)
			}
		}
	})
}

func FuzzText(f *testing.F) {
	for _, s := range []string{`""`, `"a"`, `"\u00e9\"\n"`, `"\ud800"`, `"\ud83c\udfb2"`, "\"\xff\"", `"\ud800\ud800"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want string
		if raw = bytes.TrimSpace(raw); json.Unmarshal(raw, &want) != nil || raw[0] != '"' {
			return
		}
		if got := string(rawjson.Text(raw)); got != want {
			t.Errorf("%q is %q, encoding/json says %q", raw, got, want)
		}
	})
}

// What is nested deeper than encoding/json reads is refused.
func TestDeepNesting(t *testing.T) {
	t.Parallel()
	const maxDepth = 10_000
	for _, depth := range []int{1, maxDepth / 2, maxDepth, maxDepth + 1, 500_000} {
		raw := []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))
		if got, want := rawjson.Valid(raw), json.Valid(raw); got != want {
			t.Errorf("%d levels are valid: %v, encoding/json says %v", depth, got, want)
		}
	}
}
