package replay

import (
	"fmt"
	"io"
	"strconv"
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
// The escape of half a surrogate pair, at which other programs stop reading, it
// writes as \ufffd.
func PrintableJSON(w io.Writer) io.Writer { return &printableJSON{w: w} }

type printableJSON struct {
	w    io.Writer
	part []byte // the beginning of a character or an escape whose end was not written yet
}

func (j *printableJSON) Write(p []byte) (int, error) {
	in := p
	if len(j.part) > 0 {
		in = append(j.part, p...)
		j.part = nil
	}
	out := make([]byte, 0, len(in)+64)
	for i := 0; i < len(in); {
		if in[i] == '\\' {
			n, half := escape(in[i:])
			if n == 0 {
				j.part = append(j.part, in[i:]...)
				break
			}
			if half {
				out = append(out, `\ufffd`...)
			} else {
				out = append(out, in[i:i+n]...)
			}
			i += n
			continue
		}
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

const (
	unitLength = len(`\uXXXX`) // of the escape of one UTF-16 code unit
	// lowSurrogates is where the second halves of surrogate pairs begin.
	lowSurrogates = 0xdc00
)

// escape is the length of the escape at the beginning of in, both halves of a
// surrogate pair included, or 0 where its end is not there yet. It reports
// whether it is half a pair that has no other half.
func escape(in []byte) (n int, half bool) {
	first, n := codeUnit(in)
	if n < unitLength || !utf16.IsSurrogate(first) {
		return n, false
	}
	second, m := codeUnit(in[unitLength:])
	switch {
	case m == 0 && first < lowSurrogates:
		return 0, false
	case utf16.DecodeRune(first, second) == utf8.RuneError:
		return unitLength, true
	}
	return unitLength + m, false
}

// codeUnit reads one escape. One that is not \uXXXX has the length 2, what is none
// has 1, and one whose end is not there yet 0.
func codeUnit(in []byte) (r rune, n int) {
	switch {
	case len(in) > 0 && in[0] != '\\':
		return 0, 1
	case len(in) > 1 && in[1] != 'u':
		return 0, 2
	case len(in) < unitLength:
		return 0, 0
	}
	u, err := strconv.ParseUint(string(in[2:unitLength]), 16, 16)
	if err != nil {
		return 0, 2
	}
	return rune(u), unitLength
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
