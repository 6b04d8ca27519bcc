package channel

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// plainText turns the HTML of a chat line into what a reader sees: entities
// become characters, a link its text (and its URL, where the text is another),
// an image its title, and <br> a line break. Markup that says nothing to a
// reader goes.
func plainText(markup string) string {
	if !strings.ContainsAny(markup, "<&\r") {
		return markup
	}
	t := textBuilder{linkAt: -1}
	z := html.NewTokenizer(strings.NewReader(markup))
	for {
		switch z.Next() {
		case html.ErrorToken:
			t.endLink()
			return t.String()
		case html.TextToken:
			if !t.hidden {
				t.Write(z.Text())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			t.startTag(z.Token())
		case html.EndTagToken:
			name, _ := z.TagName()
			t.endTag(atom.Lookup(name))
		}
	}
}

type textBuilder struct {
	strings.Builder
	linkAt int // where the text of the open link starts, or -1
	href   string
	hidden bool // inside of a script or style element
}

func (t *textBuilder) startTag(tag html.Token) {
	switch tag.DataAtom {
	case atom.Br:
		t.WriteByte('\n')
	case atom.Img:
		t.WriteString(firstAttribute(tag, "title", "alt", "src"))
	case atom.A:
		t.endLink()
		t.linkAt, t.href = t.Len(), firstAttribute(tag, "href")
	case atom.Script, atom.Style:
		t.hidden = true
	}
}

func (t *textBuilder) endTag(tag atom.Atom) {
	switch tag {
	case atom.A:
		t.endLink()
	case atom.Script, atom.Style:
		t.hidden = false
	}
}

func (t *textBuilder) endLink() {
	if t.linkAt < 0 {
		return
	}
	switch text := t.String()[t.linkAt:]; {
	case t.href == "" || text == t.href:
	case strings.TrimSpace(text) == "":
		t.WriteString(t.href)
	default:
		t.WriteString(" (" + t.href + ")")
	}
	t.linkAt = -1
}

func firstAttribute(tag html.Token, names ...string) string {
	for _, name := range names {
		for _, a := range tag.Attr {
			if a.Key == name && a.Val != "" {
				return a.Val
			}
		}
	}
	return ""
}
