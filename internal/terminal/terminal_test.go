package terminal

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                      "plain",
		"caf\u00e9 \u65e5\u672c":     "caf\u00e9 \u65e5\u672c",
		"\U0001f3b2 \u2764\ufe0f":    "\U0001f3b2 \u2764\ufe0f",
		"\U0001f468\u200d\U0001f469": "\U0001f468\u200d\U0001f469",
		"red \x1b[31m":               `red \x1b[31m`,
		"bell\a del\x7f":             `bell\x07 del\x7f`,
		"two\nlines\ttab\r":          `two\nlines\ttab\x0d`,
		"c1 \u009b31m":               `c1 \u009b31m`,
		"rtl \u202eevil":             `rtl \u202eevil`,
		"tag \U000e0041":             `tag \U000e0041`,
		"bad \xff\xfe utf8":          `bad \xff\xfe utf8`,
		"real \ufffd":                "real \ufffd",
		"line\u2028sep":              `line\u2028sep`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEscapeLines(t *testing.T) {
	t.Parallel()
	if got := EscapeLines("main.f(\x1b[2J)\n\t/src/f.go:7\r\n"); got != "main.f(\\x1b[2J)\n    /src/f.go:7\n" {
		t.Errorf("printed %q", got)
	}
}

// What is written for other programs means what it meant, holds no character that
// a terminal obeys, and no half of a surrogate pair, wherever the parts of it that
// are written one after the other begin.
func TestEscapeJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"plain":"caf\u00e9 \n \\ \" é"}`:      `{"plain":"caf\u00e9 \n \\ \" é"}`,
		"[\"c1 \u009b31m\",\"tag \U000e0041\"]": `["c1 \u009b31m","tag \udb40\udc41"]`,
		`["pair \ud83c\udfb2 \uD83C\uDFB2"]`:    `["pair \ud83c\udfb2 \uD83C\uDFB2"]`,
		`["first \ud800x \uDBFF"]`:              `["first \ufffdx \ufffd"]`,
		`["second \udfb2 \uDC00"]`:              `["second \ufffd \ufffd"]`,
		`["twice \ud83c\ud83c\udfb2"]`:          `["twice \ufffd\ud83c\udfb2"]`,
		`["turned \udfb2\ud83c"]`:               `["turned \ufffd\ufffd"]`,
		`["broken up \ud83c\u0041 \ud83c\n"]`:   `["broken up \ufffd\u0041 \ufffd\n"]`,
		`["no escape \\ud800 \ud83c\\udfb2"]`:   `["no escape \\ud800 \ufffd\\udfb2"]`,
		`{"\ud800":"in a name"}`:                `{"\ufffd":"in a name"}`,
		`["1 \u003c 2 \u0026\u003e \\u003c"]`:   `["1 < 2 &> \\u003c"]`,
	} {
		for split := range len(in) {
			var out bytes.Buffer
			w := EscapeJSON(&out)
			for _, part := range []string{in[:split], in[split:]} {
				if n, err := io.WriteString(w, part); n != len(part) || err != nil {
					t.Fatal(n, err)
				}
			}
			if got := out.String(); got != want {
				t.Errorf("%s written in two at %d is %s, want %s", in, split, got, want)
				break
			}
		}
	}
}

func FuzzEscapeJSON(f *testing.F) {
	f.Add(`{"a":"\ud800\udc00 \ud800 \\"}`, 7)
	f.Fuzz(func(t *testing.T, s string, split int) {
		var in, again any
		if json.Unmarshal([]byte(s), &in) != nil {
			t.Skip()
		}
		split = max(0, min(split, len(s)))
		var out bytes.Buffer
		w := EscapeJSON(&out)
		for _, part := range []string{s[:split], s[split:]} {
			if _, err := io.WriteString(w, part); err != nil {
				t.Fatal(err)
			}
		}
		if err := json.Unmarshal(out.Bytes(), &again); err != nil || !reflect.DeepEqual(in, again) {
			t.Errorf("%q is written as %q: %v", s, out.String(), err)
		}
	})
}

func FuzzEscape(f *testing.F) {
	f.Add("a\x1b]0;title\a\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := Escape(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) }) {
			t.Errorf("Escape(%q) = %q", s, got)
		}
		if again := Escape(got); again != got {
			t.Errorf("Escape(%q) = %q, and again %q", s, got, again)
		}
	})
}

func TestPadCountsColumns(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{"": 0, "abc": 3, "caf\u00e9": 4, "cafe\u0301": 4, "\u65e5\u672c": 4, "\U0001f3b2": 2} {
		if got, padded := columns.StringWidth(s), s+strings.Repeat(" ", 6-want); got != want || Pad(s, 6) != padded {
			t.Errorf("%q takes %d columns, want %d; padded to 6 it is %q", s, got, want, Pad(s, 6))
		}
	}
}
