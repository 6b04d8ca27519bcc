package sender

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/rivo/uniseg"
)

// controls matches the characters that the server replaces by a space.
var controls = regexp.MustCompile(`[\x00-\x1f]+`)

// numberedFrom is the least limit with which parts are numbered: below, the numbers would
// take more than a tenth of a line.
const numberedFrom = 100

// split divides a text into messages of at most limit UTF-16 units of the text as it is
// typed, in which the server counts: at spaces if possible, and never inside of what is
// one character to a reader. Only spaces at the seams are lost. Each part begins with
// prefix, then with its number, as (1/3), if there are several; one that the server would
// take for a command begins with a space.
func split(text, prefix string, limit int) []string {
	text = strings.TrimSpace(controls.ReplaceAllString(text, " "))
	parts := cut(text, prefix, limit)
	if len(parts) < 2 || limit < numberedFrom {
		return parts
	}
	for digits := 1; ; digits++ {
		const around = len("(/) ")
		numbered := cut(text, prefix, limit-around-2*digits)
		if len(strconv.Itoa(len(numbered))) > digits {
			continue
		}
		for i, part := range numbered {
			said := strings.TrimPrefix(strings.TrimPrefix(part, prefix), " ")
			numbered[i] = fmt.Sprintf("%s(%d/%d) %s", prefix, i+1, len(numbered), said)
		}
		return numbered
	}
}

func cut(text, prefix string, limit int) (parts []string) {
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
	end, space := 0, 0
	for left, state := text, -1; left != ""; {
		var character string
		character, left, _, state = uniseg.FirstGraphemeClusterInString(left, state)
		if end > 0 && breaks(character) {
			space = end
		}
		if limit -= utf16Units(character); limit < 0 {
			if space > 0 {
				end = space
			} else if end == 0 { // one character, longer than a line
				end = firstUnits(character, limit+utf16Units(character))
			}
			return strings.TrimRightFunc(text[:end], unicode.IsSpace), strings.TrimLeftFunc(text[end:], unicode.IsSpace)
		}
		end += len(character)
	}
	return text, ""
}

// breaks reports whether a line may end at a character: at a space, but no-break ones.
func breaks(character string) bool {
	r := []rune(character)[0]
	return unicode.IsSpace(r) && r != '\u00A0' && r != '\u202F'
}

// firstUnits returns how many bytes of text are at most limit UTF-16 units, and at least
// one code point.
func firstUnits(text string, limit int) (end int) {
	for i, r := range text {
		if limit -= utf16.RuneLen(r); limit < 0 && i > 0 {
			return i
		}
	}
	return len(text)
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
