package markup

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	nethtml "golang.org/x/net/html"
	"pgregory.net/rapid"
)

func TestPlain(t *testing.T) {
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
			if got := Plain(test.markup); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// What the server escapes comes out as it was typed.
func TestPlainUndoesEscaping(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.OneOf(rapid.SampledFrom([]rune(`<>&"'();#ab/ =`)), rapid.Rune())).
			Filter(func(s string) bool { return !strings.ContainsAny(s, "\x00\r") }).Draw(t, "text")
		if got := Plain(html.EscapeString(text)); got != text {
			t.Fatalf("got %q, want %q", got, text)
		}
	})
}

func TestTyped(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, line, want string }{
		{"each default filter", `<code>a</code> <strong>b</strong> <em>c</em> <s>d</s> <span class="spoiler">e</span>`, "`a` *b* _c_ ~~d~~ [sp]e[/sp]"},
		{"inside each other", `<strong>a <em>b <s>c</s></em></strong>`, "*a _b ~~c~~_*"},
		{"a name", `!quote by the<em>cat</em>sat`, "!quote by the_cat_sat"},
		{"a link in one", `<strong>see <a href="http://x.example/a_b" target="_blank">http://x.example/a_b</a></strong>`, "*see http://x.example/a_b*"},
		{"a link without its address", `<a target="_blank" rel="noopener noreferrer">irc://x</a>`, "irc://x"},
		{"an emote of a filter", `<img src="https://x.example/k.png" title=":kappa:" />`, ":kappa:"},
		{"elements of no default filter", `<font color="red">a</font> <span class="big">b</span> <b>c</b>`, "a b c"},
		{"what is typed as HTML", `&lt;em&gt;a&lt;/em&gt;`, "<em>a</em>"},
		{"an empty spoiler", `<span class="spoiler"></span>`, "[sp][/sp]"},
		{"open at the end", `<em>a`, "_a"},
		{"an end of nothing", `a</em>`, "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := NewReader(Default()).Typed(test.line); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Where more than one text gives the same HTML, one reading is taken.
func TestTypedAmbiguous(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, typed, want string }{
		{"overlapping marks end where the outer ends", "*a _b* c_", "*a _b_* c"},
		{"any case is small letters", "[SP]x[/Sp]", "[sp]x[/sp]"},
		{"what stands for links is lost", "a\uEEEEb", "ab"},
	} {
		if got := NewReader(Default()).Typed(NewRenderer(Default()).Render(test.typed, true)); got != test.want {
			t.Errorf("%s: %q is read as %q, want %q", test.name, test.typed, got, test.want)
		}
	}
}

func TestTypedInAChannelWithFiltersOfItsOwn(t *testing.T) {
	t.Parallel()
	filters := []Filter{
		{Source: `\|\|(.+?)\|\|`, Flags: "g", Replace: `<span style="background: black">\1</span>`, Active: true},
		{Source: `&lt;&lt;(.*)&gt;&gt;`, Replace: `<em>\1</em>`, Active: true},
		{Source: `:cat:`, Flags: "g", Replace: `<img src="https://x.example/cat.png" title="a cat">`, Active: true},
		{Source: `_(.+?)_`, Flags: "g", Replace: `<u>\1</u>`, Active: false},
		{Source: `\bhell\b`, Flags: "gi", Replace: `<b>\0</b>`, Active: true},
		{Source: `(\d+) (\w+)`, Replace: `<i>\1</i>`, Active: true},
		{Source: `(?<!a)b(c)`, Replace: `<h1>\1</h1>`, Active: true}, // not in Go
	}
	reader, renderer := NewReader(filters), NewRenderer(filters)
	for typed, want := range map[string]string{
		"||a|| <<b>> :cat: *c* _d_": "||a|| <<b>> :cat: *c* _d_",
		"hell":                      "hell",
		"12 apples":                 "12", // cannot be told
	} {
		if got := reader.Typed(renderer.Render(typed, true)); got != want {
			t.Errorf("%q is shown as %q and read as %q, want %q", typed, renderer.Render(typed, true), got, want)
		}
	}
}

// FuzzTyped types text into a channel with the default filters and reads it back. The
// readings that Typed's comment names are left out.
func FuzzTyped(f *testing.F) {
	for _, text := range []string{
		"use `x`, ~~not~~ y", "*a _b* c_", "the_cat_sat", "[sp]*x*[/sp]", "<b>&amp;'(\")</b>", "***", "~~~~~", "`*x*`",
		"*see http://x.example/a_b_?c=*&d (now)*", "irc://[::1]:80/_x_", "http://a*b*c", "[sp][/sp]", "_\u00a0_ http://x\u3000_y_",
	} {
		f.Add(text)
	}
	reader, renderer := NewReader(Default()), NewRenderer(Default())
	f.Fuzz(func(t *testing.T, text string) {
		lower := strings.NewReplacer("[sp]", "", "[/sp]", "").Replace(text)
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == '\uEEEE' }) ||
			spoiler.MatchString(lower) || overlap(renderer.filtered(text, true)) {
			return
		}
		line := renderer.Render(text, true)
		if got := reader.Typed(line); got != text {
			t.Errorf("%q is shown as %s and read as %q", text, line, got)
		}
		if !Marked(line) && Plain(line) != text {
			t.Errorf("%q is shown as %s and says %q", text, line, Plain(line))
		}
	})
}

var spoiler = regexp.MustCompile(`(?i)\[/?sp\]`)

// overlap reports whether elements are not inside each other.
func overlap(markup string) bool {
	var open []string
	for z := nethtml.NewTokenizer(strings.NewReader(markup)); ; {
		switch z.Next() {
		case nethtml.ErrorToken:
			return len(open) > 0
		case nethtml.StartTagToken:
			open = append(open, z.Token().Data)
		case nethtml.EndTagToken:
			if name := z.Token().Data; len(open) == 0 || open[len(open)-1] != name {
				return true
			}
			open = slices.Delete(open, len(open)-1, len(open))
		}
	}
}

// FuzzPlain reads any HTML.
func FuzzPlain(f *testing.F) {
	f.Add(`<a href="x">y</a><img title=z><br>&amp;`)
	f.Add("<script><!--<plaintext>")
	f.Add("<em></a></em><a><em></a>")
	reader := NewReader(Default())
	f.Fuzz(func(t *testing.T, line string) {
		for _, got := range []string{Plain(line), reader.Typed(line)} {
			if utf8.ValidString(line) && !utf8.ValidString(got) {
				t.Errorf("%q is not valid UTF-8", got)
			}
		}
	})
}
