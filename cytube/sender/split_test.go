package sender

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
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

func TestSplitLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.OneOf(rapid.SampledFrom([]rune("ab /\n\t😀é")), rapid.Rune())).Draw(t, "text")
		prefix := rapid.SampledFrom([]string{"", emotePrefix}).Draw(t, "prefix")
		limit := rapid.IntRange(len(prefix)+3, 40).Draw(t, "limit")
		var said strings.Builder
		for _, part := range split(text, prefix, limit) {
			if n := utf16Units(part); n > limit {
				t.Fatalf("part %q has %d units of %d", part, n, limit)
			}
			bare, ok := strings.CutPrefix(part, prefix)
			if !ok || strings.TrimSpace(bare) == "" {
				t.Fatalf("part %q lacks its prefix or says nothing", part)
			}
			if prefix == "" && part[0] == '/' {
				t.Fatalf("part %q is a command", part)
			}
			said.WriteString(bare)
		}
		if got, want := letters(said.String()), letters(text); got != want {
			t.Fatalf("said %q of %q", got, want)
		}
	})
}

// letters is a text without what the server makes a space of, and spaces.
func letters(s string) string {
	return string(slices.DeleteFunc([]rune(s), func(r rune) bool { return r < 0x20 || unicode.IsSpace(r) }))
}
