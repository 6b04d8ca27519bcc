package terminal

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// HasColor reports whether w is a terminal on which colours are welcome: not with
// NO_COLOR in the environment (no-color.org) or TERM=dumb.
func HasColor(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Color is the parameter of an ANSI SGR sequence; empty is no colour.
type Color string

// The colours with a fixed meaning.
const (
	Red  Color = "31"
	Bold Color = "1"
	Dim  Color = "2"
)

// Palette paints text if it is true and leaves it as it is if it is false.
type Palette bool

// Paint returns s in a colour.
func (p Palette) Paint(s string, c Color) string {
	if !p || c == "" || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// columns counts columns in the same way whatever the locale.
var columns = runewidth.Condition{StrictEmojiNeutral: true}

// Pad appends spaces to s until it takes n columns.
func Pad(s string, n int) string { return columns.FillRight(s, n) }

// FormatDuration returns d with about three digits: 1.17ms, 5.03s, 11m40s, 1h.
func FormatDuration(d time.Duration) string {
	switch {
	case d >= time.Minute:
		text := d.Round(time.Second).String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return text
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
