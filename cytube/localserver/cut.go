package localserver

import (
	"regexp"
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
