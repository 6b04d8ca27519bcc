package replay

import (
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Columns of the text layout.
const (
	timeLayout   = "2006-01-02 15:04:05.000"
	shortID      = 8
	subjectWidth = 26
	channelWidth = 12
	whoWidth     = 14
	longest      = 400 // characters of what happened; CyTube's chat lines have fewer
)

// Terminal reports whether w is a terminal on which colours are welcome: it is
// not with NO_COLOR in the environment (no-color.org) or TERM=dumb.
func Terminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// A palette colours text, or not.
type palette bool

const (
	red  = "31"
	dim  = "2"
	bold = "1"
)

// plugins' colours leave out red, which means trouble.
var pluginColors = []string{"32", "33", "34", "35", "36", "92", "93", "94", "95", "96"}

func (p palette) paint(s, color string) string {
	if !p || color == "" || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// of is the colour of an event: its plugin's, always the same one, or red where
// something went wrong.
func (p palette) of(r *record) string {
	switch {
	case !bool(p):
		return ""
	case r.problem != "":
		return red
	case r.plugin == "":
		return ""
	}
	h := fnv.New32a()
	io.WriteString(h, r.plugin)
	return pluginColors[h.Sum32()%uint32(len(pluginColors))]
}

// writeText writes one event as one line: when it was stored, the beginning of
// its correlation ID, its subject, who and what. Nothing of it reaches the
// terminal unfiltered.
func writeText(w io.Writer, e Event, p palette, zone *time.Location) error {
	return writeLine(w, e, p, zone, false)
}

// writeLine is writeText, with a column of channels if they are wanted.
func writeLine(w io.Writer, e Event, p palette, zone *time.Location, channels bool) error {
	r := look(e)
	channel := ""
	if channels {
		channel = pad(Printable(factsOf(r.Data).value("channel")), channelWidth) + "  "
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s  %s%s  %s\n",
		p.paint(r.At.In(zone).Format(timeLayout), dim),
		p.paint(pad(short(r.CorrelationID), shortID), dim),
		p.paint(pad(Printable(r.Subject), subjectWidth), p.of(&r)),
		channel, pad(Printable(r.who), whoWidth),
		strings.TrimRight(Printable(brief(r.what))+noted(&r, p), " "))
	return err
}

// brief is the beginning of a text that would fill a screen.
func brief(text string) string {
	if len(text) <= longest {
		return text
	}
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "… (--output json shows all)"
	}
	return text
}

func noted(r *record, p palette) string {
	var b strings.Builder
	for _, note := range r.notes() {
		color := dim
		if r.problem != "" {
			color = red
		}
		b.WriteString("  " + p.paint("["+Printable(note)+"]", color))
	}
	return b.String()
}

// short is the part of a correlation ID that is enough to ask for it: of one that
// an event came without, the event.
func short(id string) string {
	id = Printable(id)
	if ref, _, _ := strings.Cut(id, "@"); isRef(ref) {
		return ref
	}
	if runes := []rune(id); len(runes) > shortID {
		return string(runes[:shortID])
	}
	return id
}
