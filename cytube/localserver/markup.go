package localserver

import (
	"regexp"
	"strings"
	"unicode/utf16"
)

// cut shortens a line to so many UTF-16 units, as JavaScript's substring does.
// Half a character at the end is lost.
func cut(text string, units int) string {
	for i, r := range text {
		if units -= max(utf16.RuneLen(r), 1); units < 0 {
			return text[:i]
		}
	}
	return text
}

var controls = regexp.MustCompile(`[\x00-\x1f]+`)

func withoutControls(text string) string { return controls.ReplaceAllString(text, " ") }

var (
	// escape is what the server does to text first; unescape is what its HTML
	// sanitizer takes back after the filters.
	escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;",
		`"`, "&quot;", "'", "&#39;", "(", "&#40;", ")", "&#41;")
	unescape          = strings.NewReplacer("&quot;", `"`, "&#39;", "'", "&#40;", "(", "&#41;", ")")
	unescapeAttribute = strings.NewReplacer("&#39;", "'", "&#40;", "(", "&#41;", ")")

	link = regexp.MustCompile(`(?i)\w+://(?:[^:/\[\]\s]+|\[[0-9a-f:]+\])(?::\d+)?(?:/[^/\s]*)*`)

	// linkPlace stands for a link while the filters do their work.
	linkPlace = "\uEEEE"

	// filters are the ones that a channel starts out with.
	filters = []struct {
		source  *regexp.Regexp
		replace string
	}{
		{regexp.MustCompile("`(.+?)`"), "<code>$1</code>"},
		{regexp.MustCompile(`\*(.+?)\*`), "<strong>$1</strong>"},
		{regexp.MustCompile(`_(.+?)_`), "<em>$1</em>"},
		{regexp.MustCompile(`~~(.+?)~~`), "<s>$1</s>"},
		{regexp.MustCompile(`(?i)\[sp\](.*?)\[/sp\]`), `<span class="spoiler">$1</span>`},
	}
)

// markUp turns a line of text into the HTML that the server sends: escaped, with
// links, and filtered in a registered channel.
func markUp(text string, filtered bool) string {
	text = escape.Replace(text)
	links := link.FindAllString(text, -1)
	text = link.ReplaceAllLiteralString(text, linkPlace)
	if filtered {
		for _, f := range filters {
			text = f.source.ReplaceAllString(text, f.replace)
		}
	}
	var out strings.Builder
	for i, part := range strings.Split(text, linkPlace) {
		if i > 0 && len(links) > 0 {
			out.WriteString(`<a href="` + unescapeAttribute.Replace(links[0]) +
				`" target="_blank" rel="noopener noreferrer">` + unescape.Replace(links[0]) + `</a>`)
			links = links[1:]
		}
		out.WriteString(unescape.Replace(part))
	}
	return out.String()
}
