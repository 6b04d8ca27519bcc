package markup

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Plain returns what a reader sees of a line's HTML: entities are characters, a link is
// its text (and its URL, where the text is another), an image its title, and <br> a line
// break. Markup that says nothing to a reader goes.
func Plain(line string) string { return (*Reader)(nil).Typed(line) }

// Marked reports whether the server has put elements into a line's HTML.
func Marked(line string) bool { return strings.ContainsRune(line, '<') }

// Reader restores what people typed in a channel.
type Reader struct{ elements map[string]marks }

// NewReader returns a Reader for a channel with the given filters. Of two filters that
// make the same element the first is taken to have made it.
func NewReader(filters []Filter) *Reader {
	r := &Reader{elements: map[string]marks{}}
	for i := range filters {
		key, m, ok := filters[i].marks()
		if _, has := r.elements[key]; ok && !has {
			r.elements[key] = m
		}
	}
	return r
}

// Typed returns what somebody typed for the server to make a line's HTML of it. Elements
// of no known filter are read as Plain does. The HTML does not tell everything:
//
//   - Where marks overlap, as in *a _b* c_, the server ends the inner element with the
//     outer one, and so does Typed: *a _b_* c.
//   - A filter for any case is read as typed in small letters: [SP]x[/SP] is [sp]x[/sp].
//   - An element that a filter makes, and one of the channel's own filters too, is read
//     as the first of them.
//   - The server loses U+EEEE, and makes spaces of control characters.
func (r *Reader) Typed(line string) string {
	if !strings.ContainsAny(line, "<&\r") {
		return line
	}
	t := builder{reader: r, linkAt: -1}
	z := html.NewTokenizer(strings.NewReader(line))
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
			t.endTag(string(name))
		}
	}
}

type builder struct {
	strings.Builder
	reader *Reader
	open   []openElement
	linkAt int // where the text of the open link starts, or -1
	href   string
	hidden bool // inside of a script or style element
}

type openElement struct{ name, after string }

func (t *builder) startTag(tag html.Token) {
	var m marks
	known := false
	if t.reader != nil {
		m, known = t.reader.elements[key(tag)]
	}
	switch {
	case tag.DataAtom == atom.Br:
		t.WriteByte('\n')
	case tag.DataAtom == atom.Img && known:
		t.WriteString(m.before)
	case tag.DataAtom == atom.Img:
		t.WriteString(firstAttribute(tag, "title", "alt", "src"))
	case tag.DataAtom == atom.A && !known:
		t.endLink()
		t.linkAt, t.href = t.Len(), firstAttribute(tag, "href")
	case tag.DataAtom == atom.Script, tag.DataAtom == atom.Style:
		t.hidden = true
	case known:
		t.WriteString(m.before)
		t.open = append(t.open, openElement{tag.Data, m.after})
	default:
		t.open = append(t.open, openElement{tag.Data, ""})
	}
}

func (t *builder) endTag(name string) {
	switch at := lastIndex(t.open, name); {
	case at >= 0:
		for _, e := range slices.Backward(t.open[at:]) {
			t.WriteString(e.after)
		}
		t.open = t.open[:at]
	case name == "a":
		t.endLink()
	case name == "script", name == "style":
		t.hidden = false
	}
}

// lastIndex returns the index of the innermost open element of a name, or -1.
func lastIndex(open []openElement, name string) int {
	for i, e := range slices.Backward(open) {
		if e.name == name {
			return i
		}
	}
	return -1
}

func (t *builder) endLink() {
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

// keyOf is key of the first tag of a text.
func keyOf(text string) string {
	z := html.NewTokenizer(strings.NewReader(text))
	z.Next()
	return key(z.Token())
}

// key returns what start tags of the same element have in common: name and attributes, in
// whatever order, the spaces in which the server's sanitizer changes.
func key(tag html.Token) string {
	attributes := make([]string, 0, len(tag.Attr)+1)
	for _, a := range tag.Attr {
		value := strings.TrimSuffix(strings.Join(strings.Fields(a.Val), ""), ";")
		attributes = append(attributes, a.Key+"="+value)
	}
	slices.Sort(attributes)
	return strings.Join(append([]string{tag.Data}, attributes...), "\x00")
}
