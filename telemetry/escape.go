package telemetry

import (
	"fmt"
	"io"
	"regexp"
	"unicode/utf16"
	"unicode/utf8"
)

// escaper writes the lines of slog's handlers with those control and format
// characters escaped that slog lets stand: DEL in text; DEL, the C1 controls and
// those that turn the direction of text in JSON, where they can only be inside
// strings. Terminals interpret some of them.
type escaper struct{ w io.Writer }

var controls = regexp.MustCompile(`[^\n\P{Cc}]|\p{Cf}`)

func (e escaper) Write(line []byte) (int, error) {
	_, err := e.w.Write(controls.ReplaceAllFunc(line, func(char []byte) (escaped []byte) {
		r, _ := utf8.DecodeRune(char)
		for _, unit := range utf16.AppendRune(nil, r) {
			escaped = fmt.Appendf(escaped, `\u%04x`, unit)
		}
		return escaped
	}))
	return len(line), err
}
