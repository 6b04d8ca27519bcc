package replay

import (
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/internal/terminal"
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

// plugins' colours leave out terminal.Red, which means trouble.
var pluginColors = []terminal.Color{"32", "33", "34", "35", "36", "92", "93", "94", "95", "96"}

// colorOf returns the colour of an event: its plugin's, always the same one, or red where
// something went wrong.
func colorOf(r *record) terminal.Color {
	switch {
	case r.problem != "":
		return terminal.Red
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
func writeText(w io.Writer, e Event, p terminal.Palette, zone *time.Location) error {
	return writeLine(w, e, p, zone, false)
}

// writeLine is writeText, with a column of channels if they are wanted.
func writeLine(w io.Writer, e Event, p terminal.Palette, zone *time.Location, channels bool) error {
	r := look(e)
	channel := ""
	if channels {
		channel = terminal.Pad(terminal.Escape(factsOf(r.Data).value("channel")), channelWidth) + "  "
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s  %s%s  %s\n",
		p.Paint(r.At.In(zone).Format(timeLayout), terminal.Dim),
		p.Paint(terminal.Pad(short(r.CorrelationID), shortID), terminal.Dim),
		p.Paint(terminal.Pad(terminal.Escape(r.Subject), subjectWidth), colorOf(&r)),
		channel, terminal.Pad(terminal.Escape(r.who), whoWidth),
		strings.TrimRight(terminal.Escape(brief(r.what))+noted(&r, p), " "))
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

func noted(r *record, p terminal.Palette) string {
	var b strings.Builder
	for _, note := range r.notes() {
		color := terminal.Dim
		if r.problem != "" {
			color = terminal.Red
		}
		b.WriteString("  " + p.Paint("["+terminal.Escape(note)+"]", color))
	}
	return b.String()
}

// short is the part of a correlation ID that is enough to ask for it: of one that
// an event came without, the event.
func short(id string) string {
	id = terminal.Escape(id)
	if ref, _, _ := strings.Cut(id, "@"); isRef(ref) {
		return ref
	}
	if runes := []rune(id); len(runes) > shortID {
		return string(runes[:shortID])
	}
	return id
}
