package cytube

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
)

// controls are the characters that the server makes a space of.
var controls = regexp.MustCompile(`[\x00-\x1f]+`)

// split divides a text into messages of at most limit UTF-16 units, which is
// what the server counts in, at spaces where it can. Nothing of the text is lost
// but spaces at the seams. The prefix stands before each part. A part that the
// server would take for a command gets a space before it.
func split(text, prefix string, limit int) []string {
	text = strings.TrimSpace(controls.ReplaceAllString(text, " "))
	var parts []string
	for text != "" {
		head := prefix
		if prefix == "" && text[0] == '/' {
			head = " "
		}
		part, rest := cutAt(text, max(limit-units(head), 2))
		parts = append(parts, head+part)
		text = rest
	}
	return parts
}

// cutAt gives as much of text as fits, up to the last space if there is one, and
// the rest without the spaces before it.
func cutAt(text string, limit int) (part, rest string) {
	used, space, spaced := 0, 0, false
	for i, r := range text {
		if unicode.IsSpace(r) && i > 0 {
			space, spaced = i, true
		}
		if used += utf16.RuneLen(r); used > limit {
			if !spaced {
				space = i
			}
			return strings.TrimRightFunc(text[:space], unicode.IsSpace), strings.TrimLeftFunc(text[space:], unicode.IsSpace)
		}
	}
	return text, ""
}

func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// normal is a line without what the server and the HTML do to its spaces, by
// which an echo is recognised.
func normal(text string) string {
	return strings.Join(strings.Fields(controls.ReplaceAllString(text, " ")), " ")
}
