package jsondoc

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// FuzzParse holds Parse against encoding/json: both accept the same texts, and the
// canonical form means the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[true,null,"x\u00e9\ud83d\ude00"],"a":{"c":-1.5e-7}}`, `{"id":3,"\u0061":[]}`, ` [ 1 , { } ] `, `01`, `"\x"`, `{"a"}`, `1e5000`,
		`{"id":1,"a":"\u2028","<":"&"}`, `{"id":"x y","k":{"l":{"m":[[],{}]}}}`, `{"id":7,"half":"\ud800"}`, `{"id":7,"a":1,"a":2}`, `{"id":7,"a": 1}`, `{"id":7,"a":1e3}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := Parse(string(raw))
		if err != nil {
			if utf8.Valid(raw) && json.Valid(raw) && !strings.Contains(err.Error(), "nested deeper") && !strings.Contains(err.Error(), "an exponent") {
				t.Fatalf("%s: %v", raw, err)
			}
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("%q was accepted", raw)
		}
		out := v.Append(nil)
		if want, got := decode(t, raw), decode(t, out); !bytes.Equal(want, got) {
			t.Fatalf("%q means %s, but %q means %s", raw, want, out, got)
		}
		again, err := Parse(string(out))
		if err != nil || !bytes.Equal(again.Append(nil), out) {
			t.Fatalf("%q is not canonical: %q, %v", out, again.Append(nil), err)
		}
		if v.Kind == Object {
			checkDocument(t, raw, v)
		}
	})
}

// checkDocument checks that an object becomes a document in canonical form, in which
// each member is found.
func checkDocument(t *testing.T, raw []byte, v Value) {
	t.Helper()
	doc := v.Document("7")
	back, err := Canonical(doc, "7")
	if err != nil || !bytes.Equal(back, doc) {
		t.Fatalf("document %q became %q, %v", doc, back, err)
	}
	if isCanonical(raw, "7") && !bytes.Equal(doc, raw) {
		t.Fatalf("%q is not what is written: %q", raw, doc)
	}
	for _, child := range v.Children {
		if child.Name == "id" {
			continue
		}
		value, ok := Lookup(string(doc), []string{string(AppendQuoted(nil, child.Name))})
		if !ok || value != child.String() {
			t.Fatalf("lookup of %q in %q: %q, %v", child.Name, doc, value, ok)
		}
	}
}

// decode is JSON in encoding/json's words.
func decode(t *testing.T, raw []byte) []byte {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestParseKeepsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" { \"b\" : 1, \"id\": 99, \"b\" : 2 } ": `{"b":2,"id":99}`,
		`{"\u0062":"\u0062"}`:                    `{"b":"\u0062"}`,
		`[1.50,-0.0E+5,123456789012345678901]`:   `[1.50,-0.0E+5,123456789012345678901]`,
		`"\ud800"`:                               `"\ud800"`,
		`{"\u2028":1}`:                           "{\"\u2028\":1}",
		`{"a":{"x":1,"x":{}}}`:                   `{"a":{"x":{}}}`,
	} {
		v, err := Parse(in)
		if err != nil || v.String() != want {
			t.Errorf("%s became %s, %v; want %s", in, v.String(), err, want)
		}
	}
	for _, in := range []string{"", "{", `{"a":1}}`, `[1,]`, "\xff", `"` + "\n" + `"`, "1e10000", "1E-010000", strings.Repeat("[", 501) + strings.Repeat("]", 501)} {
		if v, err := Parse(in); err == nil {
			t.Errorf("%.40s became %.40s", in, v.String())
		}
	}
}

func TestAdd(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"1", "2", "3"}, {"0.1", "0.2", "0.3"}, {"1.50", "1", "2.5"}, {"-1", "1.0", "0"}, {"9223372036854775807", "1", "9223372036854775808"},
		{"-9223372036854775808", "-1", "-9223372036854775809"}, {"1e2", "1", "101"}, {"1e-2", "0", "0.01"}, {"0.001", "-0.0005", "0.0005"}, {"5", "-5", "0"}, {"0", "0", "0"},
		{"0", "-3", "-3"}, {"1e30", "0", "1" + strings.Repeat("0", 30)},
	} {
		if got, err := Add(c[0], c[1]); err != nil || got != c[2] {
			t.Errorf("%s + %s = %s, %v, want %s", c[0], c[1], got, err, c[2])
		}
	}
	for _, c := range [][2]string{{"1e9000", "1"}, {"1e9000", "1e9000"}, {"1e-9000", "-1"}} {
		if got, err := Add(c[0], c[1]); err == nil {
			t.Errorf("%s + %s = %.40s", c[0], c[1], got)
		}
	}
	numbers := rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,10})?([eE][+-]?[0-9]{1,2})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := numbers.Draw(t, "a"), numbers.Draw(t, "b")
		got, err := Add(a, b)
		if err != nil {
			t.Fatal(err)
		}
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		z, ok := new(big.Rat).SetString(got)
		if !ok || !json.Valid([]byte(got)) || z.Cmp(x.Add(x, y)) != 0 {
			t.Fatalf("%s + %s = %s", a, b, got)
		}
	})
}

var benchDocument = []byte(`{"id":7,"text":"The quick brown fox jumps over the lazy dog, and so does record 7, at some length, so that it is like a quote in a chat","user":"user7","timestamp":1732645200,"score":977}`)

func BenchmarkCanonical(b *testing.B) {
	for b.Loop() {
		if _, err := Canonical(benchDocument, "7"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		v, err := ParseObject(benchDocument)
		if err != nil {
			b.Fatal(err)
		}
		v.Document("7")
	}
}

func BenchmarkLookup(b *testing.B) {
	doc := string(benchDocument)
	for b.Loop() {
		Lookup(doc, []string{`"score"`})
	}
}
