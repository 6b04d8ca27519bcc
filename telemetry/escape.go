package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// escaper writes the lines of slog's handlers with those control and format
// characters escaped that slog lets stand: DEL in text; DEL, the C1 controls and
// those that turn the direction of text in JSON, where they can only be inside
// strings. Terminals obey some of them.
type escaper struct{ w io.Writer }

func (e escaper) Write(line []byte) (int, error) {
	if !bytes.ContainsFunc(line, isControl) {
		return e.w.Write(line)
	}
	out := make([]byte, 0, len(line)+32)
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRune(line[i:])
		if isControl(r) {
			out = appendEscaped(out, r)
		} else {
			out = append(out, line[i:i+size]...)
		}
		i += size
	}
	if _, err := e.w.Write(out); err != nil {
		return 0, err
	}
	return len(line), nil
}

func isControl(r rune) bool {
	return r != '\n' && (r < ' ' || r >= 0x7f) && unicode.In(r, unicode.Cc, unicode.Cf)
}

func appendEscaped(out []byte, r rune) []byte {
	for _, unit := range utf16.AppendRune(nil, r) {
		out = fmt.Appendf(out, `\u%04x`, unit)
	}
	return out
}
