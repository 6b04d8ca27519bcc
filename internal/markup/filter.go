// Package markup reads the HTML that a CyTube server makes of what people type, and
// makes it as the server does: escaped text, links, and the elements that the channel's
// chat filters put around parts of a line.
package markup

import (
	"html"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Filter is a chat filter of a channel, as the server sends it in chatFilters: what
// matches Source, a regular expression over escaped text, is replaced. Flags are of
// g, i and m; \1 in Replace is a part of the match.
type Filter struct {
	Name    string `json:"name"`
	Source  string `json:"source"`
	Flags   string `json:"flags"`
	Replace string `json:"replace"`
	Active  bool   `json:"active"`
	Links   bool   `json:"filterlinks"` // it works on links, too
}

// defaults are the filters that a channel starts out with, in their order.
var defaults = []Filter{
	{Name: "monospace", Source: "`(.+?)`", Flags: "g", Replace: `<code>\1</code>`, Active: true},
	{Name: "bold", Source: `\*(.+?)\*`, Flags: "g", Replace: `<strong>\1</strong>`, Active: true},
	{Name: "italic", Source: `_(.+?)_`, Flags: "g", Replace: `<em>\1</em>`, Active: true},
	{Name: "strike", Source: `~~(.+?)~~`, Flags: "g", Replace: `<s>\1</s>`, Active: true},
	{Name: "inline spoiler", Source: `\[sp\](.*?)\[/sp\]`, Flags: "gi", Replace: `<span class="spoiler">\1</span>`, Active: true},
}

// Default returns the filters that a channel starts out with.
func Default() []Filter { return slices.Clone(defaults) }

// Flags returns flags as the server keeps them: those of g, i and m, in that order.
func Flags(given string) (flags string) {
	for _, o := range "gim" {
		if strings.ContainsRune(given, o) {
			flags += string(o)
		}
	}
	return flags
}

// dollar is a part of the match as JavaScript writes it.
var dollar = regexp.MustCompile(`\$(\d)`)

// Groups returns a replacement as the server keeps it: $1 becomes \1.
func Groups(replace string) string { return dollar.ReplaceAllString(replace, `\$1`) }

// Compile returns the filter's expression. Go does not have all that the server has.
func (f *Filter) Compile() (*regexp.Regexp, error) { return regexp.Compile(f.options() + f.Source) }

func (f *Filter) options() string {
	options := ""
	for _, o := range "im" {
		if strings.ContainsRune(f.Flags, o) {
			options += string(o)
		}
	}
	if options == "" {
		return ""
	}
	return "(?" + options + ")"
}

// marks is what somebody types around a part of a line to have it shown in an element.
type marks struct{ before, after string }

var (
	element = regexp.MustCompile(`^(<[^<>]+>)\\1</([^<>]+)>$`)
	image   = regexp.MustCompile(`^<img\s[^<>]*>$`)
)

// marks returns what is typed for the filter's element, and the element's key. ok is
// false for a filter that does not put one element around a part of what it matches, and
// replaces no fixed text by an image.
func (f *Filter) marks() (key string, m marks, ok bool) {
	tag := element.FindStringSubmatch(f.Replace)
	isImage := image.MatchString(f.Replace)
	if !f.Active || tag == nil && !isImage {
		return "", m, false
	}
	re, err := syntax.Parse(f.options()+f.Source, syntax.Perl)
	if err != nil {
		return "", m, false
	}
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	captures, into := 0, &m.before
	for _, part := range parts {
		switch part.Op {
		case syntax.OpLiteral:
			*into += literal(part)
		case syntax.OpCapture:
			captures, into = captures+1, &m.after
		default:
			return "", m, false
		}
	}
	m = marks{html.UnescapeString(m.before), html.UnescapeString(m.after)}
	if isImage {
		return keyOf(f.Replace), m, captures == 0
	}
	return keyOf(tag[1]), m, captures == 1
}

// literal returns a text that the expression matches, in small letters where it matches
// any case.
func literal(re *syntax.Regexp) string {
	if re.Flags&syntax.FoldCase != 0 {
		return strings.ToLower(string(re.Rune))
	}
	return string(re.Rune)
}
