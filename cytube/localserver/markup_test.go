package localserver

import (
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func TestMarkUp(t *testing.T) {
	t.Parallel()
	const attributes = ` target="_blank" rel="noopener noreferrer">`
	tests := []struct{ text, plain, filtered string }{
		{`<b>bold</b> "q" & 's' (p) ; &amp; literal`,
			`&lt;b&gt;bold&lt;/b&gt; "q" &amp; 's' (p) ; &amp;amp; literal`, ""},
		{`*bold* _italic_ ` + "`mono`" + ` ~~strike~~ [sp]hidden[/sp]`,
			`*bold* _italic_ ` + "`mono`" + ` ~~strike~~ [sp]hidden[/sp]`,
			`<strong>bold</strong> <em>italic</em> <code>mono</code> <s>strike</s> <span class="spoiler">hidden</span>`},
		{`2*3*4`, `2*3*4`, `2<strong>3</strong>4`},
		{`see http://example.com/a_b?c=d&e=_f_ and https://x.y`,
			`see <a href="http://example.com/a_b?c=d&amp;e=_f_"` + attributes + `http://example.com/a_b?c=d&amp;e=_f_</a>` +
				` and <a href="https://x.y"` + attributes + `https://x.y</a>`, ""},
		{`http://a/"'(x)`, `<a href="http://a/&quot;'(x)"` + attributes + `http://a/"'(x)</a>`, ""},
		{"\uEEEE", "", ""}, // stands for a link inside the server: lost on the real one, too
		{"日本 😀", "日本 😀", ""},
	}
	for _, tt := range tests {
		if tt.filtered == "" {
			tt.filtered = tt.plain
		}
		if got := markUp(tt.text, nil, true); got != tt.plain {
			t.Errorf("%s\n got %s\nwant %s", tt.text, got, tt.plain)
		}
		if got := markUp(tt.text, defaultFilters(), true); got != tt.filtered {
			t.Errorf("%s, filtered\n got %s\nwant %s", tt.text, got, tt.filtered)
		}
	}
}

func TestMarkUpRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.ReplaceAll(rapid.String().Draw(t, "text"), "\uEEEE", "")
		if got := plainText(markUp(text, nil, true)); got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestCut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text  string
		units int
		want  string
	}{
		{"hello", 5, "hello"}, {"hello", 4, "hell"}, {"", 3, ""}, {"ĀĀ", 1, "Ā"},
		{"a😀b", 4, "a😀b"}, {"a😀b", 3, "a😀"}, {"a😀b", 2, "a"}, // half a character is lost
	}
	for _, tt := range tests {
		if got := cut(tt.text, tt.units); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.text, tt.units, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text, n := rapid.String().Draw(t, "text"), rapid.IntRange(0, 20).Draw(t, "n")
		got := cut(text, n)
		if !strings.HasPrefix(text, got) || len(utf16.Encode([]rune(got))) > n {
			t.Fatalf("cut(%q, %d) = %q", text, n, got)
		}
	})
}

func TestReservedNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"admin": true, "Administrator": true, "x-owner-y": true, "owner": true, "the_admin": true,
		"badminton": false, "downer": false, "rosey": false,
	} {
		if reservedUser.MatchString(name) != want {
			t.Errorf("%s: reserved %v, want %v", name, !want, want)
		}
	}
}
