// Package terminal makes text from outside safe and legible on a terminal.
package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// zwj is the zero width joiner, which joins emoji and draws nothing by itself.
const zwj = '\u200d'

// Escape returns s on one line and without anything that a terminal obeys: control
// characters, escape sequences, bidirectional overrides, invisible characters and
// invalid bytes become \n, \x1b, \u202e and the like. Other text, emoji included,
// stays as it is.
func Escape(s string) string {
	i := strings.IndexFunc(s, unsafeRune)
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:i])
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case !unsafeRune(r) || n > 1 && r == utf8.RuneError:
			b.WriteString(s[i : i+n])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == utf8.RuneError || r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

// EscapeLines escapes each line of s, in which tabs become spaces.
func EscapeLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = Escape(strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    "))
	}
	return strings.Join(lines, "\n")
}

// unsafeRune reports whether a terminal may interpret or hide r.
func unsafeRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r < 0x20 || r == 0x7f
	}
	return r == utf8.RuneError || r != zwj && (unicode.Is(unicode.C, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r))
}
