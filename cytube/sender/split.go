package sender

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
)

// controls matches the characters that the server replaces by a space.
var controls = regexp.MustCompile(`[\x00-\x1f]+`)

// split divides a text into messages of at most limit UTF-16 units, in which the
// server counts, at spaces if possible. Only spaces at the seams are lost. Each part
// begins with prefix, and one that the server would take for a command with a space.
func split(text, prefix string, limit int) []string {
	text = strings.TrimSpace(controls.ReplaceAllString(text, " "))
	var parts []string
	for text != "" {
		head := prefix
		if prefix == "" && text[0] == '/' {
			head = " "
		}
		part, rest := cutAt(text, max(limit-utf16Units(head), 2))
		parts = append(parts, head+part)
		text = rest
	}
	return parts
}

// cutAt returns as much of text as fits, up to the last space if there is one, and
// the rest without leading spaces.
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

func utf16Units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// normalize removes what the server and HTML do to the spaces of a line, so that an
// echo can be compared with what was sent.
func normalize(text string) string {
	return strings.Join(strings.Fields(controls.ReplaceAllString(text, " ")), " ")
}
