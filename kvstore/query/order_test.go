package query

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
)

// jsonNumber draws numbers near each other, near zero and beyond float64.
func jsonNumber() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.Int64().Draw(t, "int")) }),
		rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(-3, 3).Draw(t, "small")) }),
		rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%d.%02de%d", rapid.IntRange(-120, 120).Draw(t, "whole"), rapid.IntRange(0, 99).Draw(t, "part"), rapid.IntRange(-3, 3).Draw(t, "e"))
		}),
		rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("900719925474099%d", rapid.IntRange(0, 99).Draw(t, "n")) }),
		rapid.StringMatching(`-?0\.0{0,3}[0-9]{1,4}(e-?[0-9])?`),
		rapid.SampledFrom([]string{"0", "-0", "0.0", "-0.0e5", "1", "1.0", "10e-1", "1e300", "1e-300", "-1e300", "123456789012345678901234567890"}),
	)
}

func jsonValue(depth int) *rapid.Generator[string] {
	number := jsonNumber()
	text := rapid.Custom(func(t *rapid.T) string {
		s := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "ab", "b", "a\x00", "a\x00b", "\x00", "ü", "\u2028", "A"}), rapid.StringN(0, 4, -1)).Draw(t, "s")
		return string(jsondoc.AppendQuoted(nil, s))
	})
	scalar := rapid.OneOf(rapid.SampledFrom([]string{"null", "true", "false"}), number, text)
	if depth == 0 {
		return scalar
	}
	list := rapid.Custom(func(t *rapid.T) string {
		return "[" + strings.Join(rapid.SliceOfN(jsonValue(depth-1), 0, 3).Draw(t, "list"), ",") + "]"
	})
	object := rapid.Custom(func(t *rapid.T) string {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "a\x00"}), 0, 3, rapid.ID[string]).Draw(t, "names")
		var members []string
		for _, n := range names {
			members = append(members, string(jsondoc.AppendQuoted(nil, n))+":"+jsonValue(depth-1).Draw(t, "member"))
		}
		return "{" + strings.Join(members, ",") + "}"
	})
	return rapid.OneOf(scalar, list, object)
}

// refCompare is the order of values as the documentation tells it.
func refCompare(t interface{ Fatal(...any) }, a, b string) int {
	var x, y any
	for raw, into := range map[*string]*any{&a: &x, &b: &y} {
		d := json.NewDecoder(strings.NewReader(*raw))
		d.UseNumber()
		if err := d.Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	return refCompareValues(x, y)
}

func refRank(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case bool:
		if v {
			return 2
		}
		return 1
	case json.Number:
		return 3
	case string:
		return 4
	case []any:
		return 5
	}
	return 6
}

func refCompareValues(x, y any) int {
	if c := cmp.Compare(refRank(x), refRank(y)); c != 0 {
		return c
	}
	switch x := x.(type) {
	case json.Number:
		p, _ := new(big.Rat).SetString(x.String())
		q, _ := new(big.Rat).SetString(y.(json.Number).String())
		return p.Cmp(q)
	case string:
		return strings.Compare(x, y.(string))
	case []any:
		return slices.CompareFunc(x, y.([]any), refCompareValues)
	case map[string]any:
		flat := func(m map[string]any) []any {
			var names []string
			for n := range m {
				names = append(names, n)
			}
			slices.Sort(names)
			var out []any
			for _, n := range names {
				out = append(out, n, m[n])
			}
			return out
		}
		return slices.CompareFunc(flat(x), flat(y.(map[string]any)), refCompareValues)
	}
	return 0
}

func TestOrderOfValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := jsonValue(2).Draw(t, "a"), jsonValue(2).Draw(t, "b")
		x, y := appendOrdered(nil, a), appendOrdered(nil, b)
		want := refCompare(t, a, b)
		if got := bytes.Compare(x, y); got != want {
			t.Fatalf("%s against %s: %d, want %d", a, b, got, want)
		}
		if want != 0 && (bytes.HasPrefix(x, y) || bytes.HasPrefix(y, x)) {
			t.Fatalf("the encoding of %s or %s begins the other", a, b)
		}
		complement(x)
		complement(y)
		if got := bytes.Compare(x, y); got != -want {
			t.Fatalf("%s against %s, descending: %d, want %d", a, b, got, -want)
		}
		// A span and its reverse contain the same values.
		s := span{lo: string(appendOrdered(nil, jsonValue(1).Draw(t, "lo"))), hi: string(appendOrdered(nil, jsonValue(1).Draw(t, "hi")))}
		if rapid.Bool().Draw(t, "open") {
			s.hi = ""
		}
		plain := appendOrdered(nil, a)
		if s.contains(plain) != s.reversed().contains(x) {
			t.Fatalf("span %+v: %v, reversed %v", s, s.contains(plain), s.reversed().contains(x))
		}
	})
}

func TestOrderOfNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(jsonNumber(), 10, 10).Draw(t, "numbers")
		for _, a := range numbers {
			for _, b := range numbers {
				if got, want := bytes.Compare(appendOrdered(nil, a), appendOrdered(nil, b)), refCompare(t, a, b); got != want {
					t.Fatalf("%s against %s: %d, want %d", a, b, got, want)
				}
			}
		}
	})
}

func TestOrderOfIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := event.ID(rapid.OneOf(rapid.StringN(1, 5, -1), rapid.SampledFrom([]string{"1", "01", "-5", "9223372036854775807", "9223372036854775808"})).Draw(t, "id"))
		if got, want := appendOrderedID(nil, id), appendOrdered(nil, string(id.AppendJSON(nil))); !bytes.Equal(got, want) {
			t.Fatalf("%q is %x as an id and %x as a value", id, got, want)
		}
	})
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		fold, want    bool
	}{
		{"a%", "abc", false, true}, {"a%", "Abc", false, false}, {"a%", "Abc", true, true}, {"%c", "abc", false, true}, {"a_c", "abc", false, true},
		{"a_c", "aüc", false, true}, {"a_c", "ac", false, false}, {"", "", false, true}, {"", "a", false, false}, {"%", "", false, true}, {`a\%`, "a%", false, true},
		{`a\%`, "ab", false, false}, {`a\`, `a\`, false, true}, {"%%b", "aab", false, true}, {"STRASSE", "strasse", true, true}, {"Σ", "ς", true, true}, {"%a%b%c%", "xxaxxbxxcxx", false, true},
	} {
		if got := likes(t, c.text, c.pattern, c.fold); got != c.want {
			t.Errorf("%q like %q (fold %v) = %v", c.text, c.pattern, c.fold, got)
		}
	}
	alphabet := rapid.StringOfN(rapid.SampledFrom([]rune("aAb%_\\ü.")), 0, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		p, s, fold := alphabet.Draw(t, "pattern"), alphabet.Draw(t, "text"), rapid.Bool().Draw(t, "fold")
		if got, want := likes(t, s, p, fold), likeByHand([]rune(p), []rune(s), fold); got != want {
			t.Fatalf("%q like %q (fold %v) = %v", s, p, fold, got)
		}
	})
}

func likes(t interface{ Fatal(...any) }, text, pattern string, fold bool) bool {
	p, prefix, err := newPattern(pattern, fold)
	if err != nil {
		t.Fatal(err)
	}
	matches := p.MatchString(text)
	if matches && !fold && !strings.HasPrefix(text, prefix) {
		t.Fatal(pattern, "matches", text, "which does not begin with", prefix)
	}
	return matches
}

// likeByHand matches a pattern in the plainest way.
func likeByHand(p, s []rune, fold bool) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '%':
		return likeByHand(p[1:], s, fold) || len(s) > 0 && likeByHand(p, s[1:], fold)
	case len(s) == 0:
		return false
	case p[0] == '_':
		return likeByHand(p[1:], s[1:], fold)
	case p[0] == '\\' && len(p) > 1:
		p = p[1:]
	}
	return (p[0] == s[0] || fold && strings.EqualFold(string(p[0]), string(s[0]))) && likeByHand(p[1:], s[1:], fold)
}

// A field whose name looks like a direction has an index of its own.
func TestFieldNamedLikeADirection(t *testing.T) {
	t.Parallel()
	v := NewView(1 << 40)
	v.apply("1", &Row{"1", 1, `{"id":1,"a":1,"a DESC":1}`})
	v.apply("2", &Row{"2", 1, `{"id":2,"a":2,"a DESC":2}`})
	if got := run(t, v, `{"a DESC":{"$gt":0}}`, ""); got != "1 2" {
		t.Errorf("by the field: %q", got)
	}
	if got := run(t, v, `{}`, "a DESC"); got != "2 1" {
		t.Errorf("in descending order: %q", got)
	}
}
