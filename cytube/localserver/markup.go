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
	// escapeText is what the server does to text first; unescape is what its HTML
	// sanitizer takes back after the filters.
	escapeText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;",
		`"`, "&quot;", "'", "&#39;", "(", "&#40;", ")", "&#41;")
	// escapeLookup is what it does to the error of a lookup.
	escapeLookup      = escapeText
	unescape          = strings.NewReplacer("&quot;", `"`, "&#39;", "'", "&#40;", "(", "&#41;", ")")
	unescapeAttribute = strings.NewReplacer("&#39;", "'", "&#40;", "(", "&#41;", ")")

	link = regexp.MustCompile(`(?i)\w+://(?:[^:/\[\]\s]+|\[[0-9a-f:]+\])(?::\d+)?(?:/[^/\s]*)*`)

	// linkPlace stands for a link while the filters do their work.
	linkPlace = "\uEEEE"
)

// markUp turns a line of text into the HTML that the server sends: escaped, filtered, and with links if they are wanted.
func markUp(text string, filters []filter, makeLinks bool) string {
	text = escapeText.Replace(text)
	links := link.FindAllString(text, -1)
	text = apply(filters, link.ReplaceAllLiteralString(text, linkPlace), false)
	var out strings.Builder
	for i, part := range strings.Split(text, linkPlace) {
		if i > 0 && len(links) > 0 {
			out.WriteString(markUpLink(links[0], filters, makeLinks))
			links = links[1:]
		}
		out.WriteString(unescape.Replace(part))
	}
	return out.String()
}

func markUpLink(link string, filters []filter, makeLinks bool) string {
	if filtered := apply(filters, link, true); filtered != link || !makeLinks {
		return unescape.Replace(filtered)
	}
	return `<a href="` + unescapeAttribute.Replace(link) + `" target="_blank" rel="noopener noreferrer">` + unescape.Replace(link) + `</a>`
}
