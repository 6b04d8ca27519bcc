package terminal

import (
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/transform"
)

// EscapeJSON returns a writer that passes JSON on to w with every character that
// JSON allows in a string and a terminal may interpret (DEL, C1 controls, invisible and
// bidirectional characters) as a \uXXXX escape, which means the same. The escape of
// a lone surrogate, at which other programs stop reading, becomes \ufffd, and those of
// <, > and &, which encoding/json writes for HTML, become these.
func EscapeJSON(w io.Writer) io.Writer { return transform.NewWriter(w, jsonEscaper{}) }

type jsonEscaper struct{ transform.NopResetter }

// Transform implements transform.Transformer.
func (jsonEscaper) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		out, n := escapeNext(src[nSrc:])
		switch {
		case n == 0 && !atEOF:
			return nDst, nSrc, transform.ErrShortSrc
		case n == 0:
			out, n = src[nSrc:], len(src)-nSrc
		}
		if len(out) > len(dst)-nDst {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += copy(dst[nDst:], out)
		nSrc += n
	}
	return nDst, nSrc, nil
}

// longestRun is how many bytes are copied at once; it must fit transform's buffer.
const longestRun = 1024

// escapeNext returns the output for the first n bytes of in. N is 0 if in ends in
// the middle of a character or an escape.
func escapeNext(in []byte) (out []byte, n int) {
	for n < min(len(in), longestRun) && in[n] != '\\' && in[n] < 0x7f {
		n++
	}
	switch {
	case n > 0:
		return in[:n], n
	case in[0] == '\\':
		n, lone := escapeLength(in)
		switch string(in[:n]) {
		case `\u003c`, `\u003e`, `\u0026`:
			first, _ := codeUnit(in)
			return []byte{byte(first)}, n
		}
		if lone {
			return []byte(`\ufffd`), n
		}
		return in[:n], n
	case !utf8.FullRune(in):
		return nil, 0
	}
	r, n := utf8.DecodeRune(in)
	if !unsafeRune(r) || r == utf8.RuneError && n > 1 {
		return in[:n], n
	}
	for _, unit := range utf16.AppendRune(nil, r) {
		out = fmt.Appendf(out, `\u%04x`, unit)
	}
	return out, n
}

const (
	unitLength   = len(`\uXXXX`) // of the escape of one UTF-16 code unit
	lowSurrogate = 0xdc00        // the first of the second halves of surrogate pairs
)

// escapeLength returns the length of the escape at the beginning of in, both halves
// of a surrogate pair included, or 0 if its end is missing. It reports whether the
// escape is a lone surrogate.
func escapeLength(in []byte) (n int, lone bool) {
	first, n := codeUnit(in)
	if n < unitLength || !utf16.IsSurrogate(first) {
		return n, false
	}
	second, m := codeUnit(in[unitLength:])
	switch {
	case m == 0 && first < lowSurrogate:
		return 0, false
	case utf16.DecodeRune(first, second) == utf8.RuneError:
		return unitLength, true
	}
	return unitLength + m, false
}

// codeUnit reads one escape: n is 6 for \uXXXX, 2 for another escape, 1 for no
// escape, and 0 if its end is missing.
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
