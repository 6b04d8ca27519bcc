package sender

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 25)
	for _, test := range []struct {
		name, text, prefix string
		limit              int
		want               []string
	}{
		{"short", "hello", "", 10, []string{"hello"}},
		{"just fits", "0123456789", "", 10, []string{"0123456789"}},
		{"at spaces", "one two three four", "", 10, []string{"one two", "three four"}},
		{"at the limit", "aaaa bbbbb cc", "", 10, []string{"aaaa bbbbb", "cc"}},
		{"many spaces", "one       two", "", 10, []string{"one", "two"}},
		{"long word", long, "", 10, []string{"aaaaaaaaaa", "aaaaaaaaaa", "aaaaa"}},
		{"long word later", "hi " + long, "", 10, []string{"hi", "aaaaaaaaaa", "aaaaaaaaaa", "aaaaa"}},
		{"UTF-16 units", strings.Repeat("😀", 6), "", 10, []string{"😀😀😀😀😀", "😀"}},
		{"emote", "dances all night", emotePrefix, 15, []string{"/me dances all", "/me night"}},
		{"no command", "/kick alice", "", 20, []string{" /kick alice"}},
		{"no command at a seam", "hello you /kick alice", "", 12, []string{"hello you", " /kick alice"}},
		{"controls", "a\nb\t\tc\x00", "", 10, []string{"a b c"}},
		{"characters of several code points", "ab" + strings.Repeat("👨‍👩‍👧‍👦", 2), "", 15, []string{"ab👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"}},
		{"flags", "🇩🇪🇫🇷🇮🇹", "", 9, []string{"🇩🇪🇫🇷", "🇮🇹"}},
		{"combining marks", strings.Repeat("e\u0301", 4), "", 5, []string{"e\u0301e\u0301", "e\u0301e\u0301"}},
		{"a character longer than a line", "a" + strings.Repeat("\u0301", 12), "", 10, []string{"a" + strings.Repeat("\u0301", 9), strings.Repeat("\u0301", 3)}},
		{"a no-break space is none to break at", "see 10\u00a0km on", "", 8, []string{"see", "10\u00a0km on"}},
		{"numbered", strings.Repeat("some words ", 20), "", 100, []string{
			"(1/3) " + strings.Repeat("some words ", 8) + "some", "(2/3) words " + strings.TrimSpace(strings.Repeat("some words ", 8)), "(3/3) " + strings.TrimSpace(strings.Repeat("some words ", 3))}},
		{"numbered emote", strings.Repeat("dances ", 20), emotePrefix, 100, []string{
			"/me (1/2) " + strings.TrimSpace(strings.Repeat("dances ", 13)), "/me (2/2) " + strings.TrimSpace(strings.Repeat("dances ", 7))}},
		{"a number is no command", "/kick " + strings.Repeat("a", 100), "", 100, []string{"(1/3) /kick", "(2/3) " + strings.Repeat("a", 94), "(3/3) aaaaaa"}},
		{"blank", " \n\t ", "", 10, nil},
		{"empty", "", emotePrefix, 10, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, split(test.text, test.prefix, test.limit)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzSplit(f *testing.F) {
	for _, text := range []string{"one two", "/me 👨‍👩‍👧‍👦🇩🇪🇫🇷", "e\u0301\u0301 \t😀", strings.Repeat("long ", 300), "\u00a0a\u202fb\u2003c"} {
		f.Add(text, false, uint8(20))
		f.Add(text, true, uint8(200))
	}
	f.Fuzz(func(t *testing.T, text string, emote bool, longer uint8) {
		text = strings.ToValidUTF8(text, "\ufffd") // as JSON's decoder does
		prefix := ""
		if emote {
			prefix = emotePrefix
		}
		limit := 20 + int(longer)
		parts := split(text, prefix, limit)
		var said strings.Builder
		for i, part := range parts {
			if n := utf16Units(part); n > limit {
				t.Errorf("part %q has %d units of %d", part, n, limit)
			}
			bare, ok := strings.CutPrefix(part, prefix)
			if number := fmt.Sprintf("(%d/%d) ", i+1, len(parts)); len(parts) > 1 && limit >= numberedFrom {
				if bare, ok = strings.CutPrefix(bare, number); !ok {
					t.Errorf("part %q has not the number %s", part, number)
				}
			}
			if !ok || strings.TrimSpace(bare) == "" {
				t.Errorf("part %q lacks its prefix or says nothing", part)
			}
			if prefix == "" && part[0] == '/' {
				t.Errorf("part %q is a command", part)
			}
			said.WriteString(bare)
		}
		if got, want := letters(said.String()), letters(text); got != want {
			t.Errorf("said %q of %q", got, want)
		}
		for i := 1; i < len(parts); i++ {
			checkSeam(t, text, parts[i-1], limit)
		}
	})
}

// checkSeam checks that a part ends where a character of the text does.
func checkSeam(t *testing.T, text, part string, limit int) {
	t.Helper()
	last := ""
	for g := uniseg.NewGraphemes(part); g.Next(); {
		last = g.Str()
	}
	for g := uniseg.NewGraphemes(text); g.Next(); {
		if g.Str() == last || utf16Units(g.Str()) > limit-20 {
			return
		}
	}
	t.Errorf("part %q ends inside of a character", part)
}

// letters is a text without what the server makes a space of, and spaces.
func letters(s string) string {
	return string(slices.DeleteFunc([]rune(s), func(r rune) bool { return r < 0x20 || unicode.IsSpace(r) }))
}
