package markup

import "testing"

func TestRender(t *testing.T) {
	t.Parallel()
	const attributes = ` target="_blank" rel="noopener noreferrer">`
	for _, test := range []struct{ text, unfiltered, want string }{
		{`<b>bold</b> "q" & 's' (p) ; &amp; literal`,
			"",
			`&lt;b&gt;bold&lt;/b&gt; "q" &amp; 's' (p) ; &amp;amp; literal`},
		{`*bold* _italic_ ` + "`mono`" + ` ~~strike~~ [sp]hidden[/sp]`,
			`*bold* _italic_ ` + "`mono`" + ` ~~strike~~ [sp]hidden[/sp]`,
			`<strong>bold</strong> <em>italic</em> <code>mono</code> <s>strike</s> <span class="spoiler">hidden</span>`},
		{`2*3*4`, `2*3*4`, `2<strong>3</strong>4`},
		{`see http://example.com/a_b?c=d&e=_f_ and https://x.y`, "",
			`see <a href="http://example.com/a_b?c=d&amp;e=_f_"` + attributes + `http://example.com/a_b?c=d&amp;e=_f_</a>` +
				` and <a href="https://x.y"` + attributes + `https://x.y</a>`},
		{`http://a/"'(x)`, "", `<a href="http://a/&quot;'(x)"` + attributes + `http://a/"'(x)</a>`},
		{`irc://x`, "", `<a` + attributes + `irc://x</a>`},
		{"http://a\u3000*b*", `<a href="http://a"` + attributes + "http://a</a>\u3000*b*", `<a href="http://a"` + attributes + "http://a</a>\u3000<strong>b</strong>"},
		{`*a _b* c_`, `*a _b* c_`, `<strong>a <em>b</em></strong> c`},
		{"日本 😀", "", "日本 😀"},
	} {
		if test.unfiltered == "" {
			test.unfiltered = test.want
		}
		if got := NewRenderer(nil).Render(test.text, true); got != test.unfiltered {
			t.Errorf("%s, without filters\n got %s\nwant %s", test.text, got, test.unfiltered)
		}
		if got := NewRenderer(Default()).Render(test.text, true); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
	}
	if got := NewRenderer(Default()).Render("*see* http://x.example", false); got != "<strong>see</strong> http://x.example" {
		t.Errorf("without links: %s", got)
	}
}
