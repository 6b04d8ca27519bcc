package channel

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"html"
)

func TestPlainText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, markup, want string }{
		{"plain", "hello", "hello"},
		{"spaces stay", "  a   b ", "  a   b "},
		{"entities", `&lt;b&gt; &amp;amp; &quot;q&quot; &#39;s&#39; &#40;p&#41;`, `<b> &amp; "q" 's' (p)`},
		{"filters", "<strong>bold</strong> <em>it</em> <code>mono</code> <s>no</s>", "bold it mono no"},
		{"link", `see <a href="http://x.example/a?b=c&amp;d" target="_blank">http://x.example/a?b=c&amp;d</a>.`, "see http://x.example/a?b=c&d."},
		{"named link", `<a href="http://x.example/">here</a>`, "here (http://x.example/)"},
		{"link of an image", `<a href="http://x.example/"><img src="/i.png"></a>`, "/i.png (http://x.example/)"},
		{"empty link", `<a href="http://x.example/"></a>`, "http://x.example/"},
		{"open link", `<a href="http://x.example/">a`, "a (http://x.example/)"},
		{"emote", `hi <img class="channel-emote" src="https://x.example/k.png" title="Kappa">`, "hi Kappa"},
		{"image with alt", `<img src="a.png" alt="a cat">`, "a cat"},
		{"break", "a<br>b<br/>c", "a\nb\nc"},
		{"script", "a<script>alert(1)</script>b<style>p{}</style>c", "abc"},
		{"comment", "a<!-- b -->c", "ac"},
		{"not a tag", "1 < 2 &copy", "1 < 2 ©"},
		{"cut off", "a<span class=", "a"},
		{"unicode", "Ā 日本 😀", "Ā 日本 😀"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := plainText(test.markup); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// What the server escapes comes out as it was typed.
func TestPlainTextUndoesEscaping(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.OneOf(rapid.SampledFrom([]rune(`<>&"'();#ab/ =`)), rapid.Rune())).
			Filter(func(s string) bool { return !strings.ContainsAny(s, "\x00\r") }).Draw(t, "text")
		if got := plainText(html.EscapeString(text)); got != text {
			t.Fatalf("got %q, want %q", got, text)
		}
	})
}

func FuzzPlainText(f *testing.F) {
	f.Add(`<a href="x">y</a><img title=z><br>&amp;`)
	f.Add("<script><!--<plaintext>")
	f.Fuzz(func(t *testing.T, markup string) {
		if got := plainText(markup); utf8.ValidString(markup) && !utf8.ValidString(got) {
			t.Errorf("%q is not valid UTF-8", got)
		}
	})
}
