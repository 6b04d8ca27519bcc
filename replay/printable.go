package replay

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// zwj joins emoji into one; it draws nothing by itself.
const zwj = '\u200d'

// Printable makes a text from outside safe to write to a terminal, on one line:
// control characters, terminal escapes, characters that turn the direction of
// writing round, invisible ones and invalid bytes are written as \n, \x1b,
// \u202e and the like. All other text, emoji included, stays as it is.
func Printable(s string) string {
	i := strings.IndexFunc(s, unprintable)
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:i])
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case !unprintable(r) || n > 1 && r == utf8.RuneError:
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

// PrintableJSON is a writer of JSON to w that writes as \u009b and the like, which
// means the same, what JSON lets stand in strings and a terminal may obey: DEL,
// C1 controls, and characters that are invisible or turn the direction of writing.
func PrintableJSON(w io.Writer) io.Writer { return &printableJSON{w: w} }

type printableJSON struct {
	w    io.Writer
	part []byte // the beginning of a character whose end was not written yet
}

func (j *printableJSON) Write(p []byte) (int, error) {
	in := p
	if len(j.part) > 0 {
		in = append(j.part, p...)
		j.part = nil
	}
	out := make([]byte, 0, len(in)+64)
	for i := 0; i < len(in); {
		if in[i] < 0x7f {
			out = append(out, in[i])
			i++
			continue
		}
		if !utf8.FullRune(in[i:]) {
			j.part = append(j.part, in[i:]...)
			break
		}
		r, n := utf8.DecodeRune(in[i:])
		if unprintable(r) && (r != utf8.RuneError || n == 1) {
			for _, unit := range utf16.AppendRune(nil, r) {
				out = fmt.Appendf(out, `\u%04x`, unit)
			}
		} else {
			out = append(out, in[i:i+n]...)
		}
		i += n
	}
	if _, err := j.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

func unprintable(r rune) bool {
	if r < utf8.RuneSelf {
		return r < 0x20 || r == 0x7f
	}
	return r == utf8.RuneError || r != zwj && (unicode.Is(unicode.C, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r))
}

// cells is how many columns of a terminal a printable text takes.
func cells(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			n++
		case r == zwj || unicode.In(r, unicode.Mn, unicode.Me):
		default:
			switch width.LookupRune(r).Kind() {
			case width.EastAsianWide, width.EastAsianFullwidth:
				n += 2
			default:
				n++
			}
		}
	}
	return n
}

// pad fills a text with spaces to n columns.
func pad(s string, n int) string {
	if w := cells(s); w < n {
		return s + strings.Repeat(" ", n-w)
	}
	return s
}
