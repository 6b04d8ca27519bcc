package markup

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// escaper is what the server does to text first.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;",
	`"`, "&quot;", "'", "&#39;", "(", "&#40;", ")", "&#41;")

// space are the characters that \s of JavaScript matches, in which the server's
// expressions are written.
const space = `\x{9}-\x{d} \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`

// Link matches what the server makes a link of.
var Link = regexp.MustCompile(`[0-9A-Za-z_]+://(?:[^:/\[\]` + space + `]+|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?(?:/[^/` + space + `]*)*`)

// reference is a part of the match in a filter's replacement.
var reference = regexp.MustCompile(`\\([0-9])`)

// linkPlace stands for a link while the filters do their work.
const linkPlace = "\uEEEE"

// Escape returns text as the server escapes it.
func Escape(text string) string { return escaper.Replace(text) }

// unescaper undoes what escaper does.
var unescaper = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">",
	"&quot;", `"`, "&#39;", "'", "&#40;", "(", "&#41;", ")")

// Unescape returns text as it was before the server escaped it, however often it did.
func Unescape(text string) string {
	for {
		before := unescaper.Replace(text)
		if before == text {
			return text
		}
		text = before
	}
}

// Renderer makes HTML of text as the server does.
type Renderer struct{ filters []compiled }

type compiled struct {
	source  *regexp.Regexp
	replace string
	all     bool // not only the first match
	links   bool
}

// NewRenderer returns a Renderer with the given filters. It leaves out filters that are
// not active and those whose expressions Go does not have.
func NewRenderer(filters []Filter) *Renderer {
	r := &Renderer{}
	for _, f := range filters {
		if re, err := f.Compile(); f.Active && err == nil {
			replace := reference.ReplaceAllString(strings.ReplaceAll(f.Replace, "$", "$$"), "$${$1}")
			r.filters = append(r.filters, compiled{re, replace, strings.Contains(f.Flags, "g"), f.Links})
		}
	}
	return r
}

// Render returns the HTML of a line of text: escaped, filtered, with links if the channel
// makes them, and through the server's HTML sanitizer.
func (r *Renderer) Render(text string, links bool) string { return sanitize(r.filtered(text, links)) }

// filtered is Render without the sanitizer.
func (r *Renderer) filtered(text string, makeLinks bool) string {
	text = Escape(text)
	links := Link.FindAllString(text, -1)
	text = r.filter(Link.ReplaceAllLiteralString(text, linkPlace), false)
	var out strings.Builder
	for i, part := range strings.Split(text, linkPlace) {
		if i > 0 && len(links) > 0 {
			out.WriteString(r.link(links[0], makeLinks))
			links = links[1:]
		}
		out.WriteString(part)
	}
	return out.String()
}

func (r *Renderer) link(url string, makeLinks bool) string {
	if filtered := r.filter(url, true); filtered != url || !makeLinks {
		return filtered
	}
	return `<a href="` + url + `" target="_blank" rel="noopener noreferrer">` + url + `</a>`
}

func (r *Renderer) filter(text string, isLink bool) string {
	for _, f := range r.filters {
		if isLink && !f.links {
			continue
		}
		if f.all {
			text = f.source.ReplaceAllString(text, f.replace)
		} else if at := f.source.FindStringSubmatchIndex(text); at != nil {
			text = text[:at[0]] + string(f.source.ExpandString(nil, f.replace, text, at)) + text[at[1]:]
		}
	}
	return text
}

var (
	textEscaper      = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	attributeEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")
	scheme           = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9.\-+]*):`)
	allowedSchemes   = []string{"http", "https", "ftp", "mailto", "tel", "mumble"}
	void             = []string{"br", "hr", "img", "wbr"}
)

// sanitize does what the server's sanitizer does to elements that it allows: it ends inner
// elements with outer ones and drops ends of what is not open.
func sanitize(markup string) string {
	var out strings.Builder
	var open []openElement
	z := html.NewTokenizer(strings.NewReader(markup))
	for {
		switch z.Next() {
		case html.ErrorToken:
			endElements(&out, open)
			return out.String()
		case html.TextToken:
			textEscaper.WriteString(&out, string(z.Text())) //nolint:errcheck // a Builder's is nil
		case html.StartTagToken, html.SelfClosingTagToken:
			tag := z.Token()
			writeTag(&out, tag)
			if !slices.Contains(void, tag.Data) {
				open = append(open, openElement{name: tag.Data})
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if at := lastIndex(open, string(name)); at >= 0 {
				endElements(&out, open[at:])
				open = open[:at]
			}
		}
	}
}

func endElements(out *strings.Builder, open []openElement) {
	for _, e := range slices.Backward(open) {
		out.WriteString("</" + e.name + ">")
	}
}

// writeTag writes a start tag, without the address of a link whose scheme the server
// does not allow.
func writeTag(out *strings.Builder, tag html.Token) {
	out.WriteString("<" + tag.Data)
	for _, a := range tag.Attr {
		s := scheme.FindStringSubmatch(a.Val)
		if a.Key == "href" && s != nil && !slices.Contains(allowedSchemes, strings.ToLower(s[1])) {
			continue
		}
		out.WriteString(" " + a.Key + `="` + attributeEscaper.Replace(a.Val) + `"`)
	}
	if slices.Contains(void, tag.Data) {
		out.WriteString(" /")
	}
	out.WriteString(">")
}
