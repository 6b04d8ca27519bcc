package replay

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func FuzzMembers(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, ` { "a" : [ 1 , -2.5e+3 , true , null ] , "b" : {"c":"\u00e9\"\\"} } `, `{"a":1,}`, `{"a" 1}`, `{"a":01}`,
		`{"a":.5}`, `{"a":"x` + "\n" + `"}`, `{"\u0061":1,"a":2}`, `[1]`, `null`, `{"a":tru}`, `{"a":"\x"}`, `{"a":1}x`, `{"a":[}`, `{"a":-}`,
		`{"a":"\u12"}`, `{"a":1e}`, "{\"a\":\"\xff\"}", `{"":{"":[]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := map[string][]byte{}
		ok := members(b, func(name, value []byte) { got[string(name)] = value })
		var want map[string]json.RawMessage
		err := json.Unmarshal(b, &want)
		valid := err == nil && want != nil
		if ok != valid {
			t.Fatalf("members(%q) = %v, encoding/json says %v", b, ok, err)
		}
		if !ok {
			return
		}
		for name, value := range got {
			// encoding/json replaces invalid UTF-8 in names, we keep it.
			if string(bytes.ToValidUTF8([]byte(name), nil)) != name {
				continue
			}
			if !bytes.Equal(value, want[name]) {
				t.Errorf("members(%q): %q is %q, want %q", b, name, value, want[name])
			}
		}
	})
}

func TestMembersRefusesDeepNesting(t *testing.T) {
	t.Parallel()
	deep := []byte(`{"a":` + strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20) + `}`)
	if members(deep, nil) {
		t.Error("a million levels of nesting were accepted")
	}
	if !members([]byte(`{"a":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`), nil) {
		t.Error("5000 levels were refused")
	}
}

func TestMembersAllocatesNothing(t *testing.T) {
	body := []byte(`{"subject":"cytube.chat","data":{"user":"alice","message":"!roll 2d6","channel":"main","rank":2,"time":1732645200000},"timestamp":1732645200.123,"priority":1,"correlation_id":"550e8400-e29b-41d4-a716-446655440000","metadata":{"source":"cytube"}}`)
	n := 0
	if got := testing.AllocsPerRun(100, func() { members(body, func(_, value []byte) { n += len(value) }) }); got > 0 {
		t.Errorf("%v allocations a body", got)
	}
}
