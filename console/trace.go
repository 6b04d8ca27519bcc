package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/replay"
)

// traceBody is what the trace page shows.
type traceBody struct {
	Asked string
	*replay.Waterfall
	Rows []traceRow
	Link string
}

// traceRow is an event and the way to it, in the units of a bar.
type traceRow struct {
	replay.Row
	Label    string // what sort of event it is
	Class    string
	Indent   int
	Since    time.Duration // since its cause
	Segments []segment
	Mark     float64 // where it was stored
}

// segment is a part of a bar; the whole width is barWidth.
type segment struct {
	Kind  string
	X, W  float64
	Title string
}

const (
	barWidth = 1000
	// leastWidth keeps a short part visible.
	leastWidth = 2
	maxIndent  = 8
)

func (c *Console) trace(w http.ResponseWriter, r *http.Request) error {
	id := strings.TrimSpace(r.PathValue("id"))
	if id == "" {
		id = strings.TrimSpace(r.URL.Query().Get("id"))
		if id != "" {
			http.Redirect(w, r, "/trace/"+url.PathEscape(id), http.StatusSeeOther)
			return nil
		}
		return c.show(w, r, "trace", "Trace", traceBody{})
	}
	ctx, cancel := context.WithTimeout(r.Context(), readLimit)
	defer cancel()
	fall, err := replay.WaterfallOf(ctx, c.js, id, r.URL.Query().Get("all") != "")
	if err != nil {
		return err
	}
	body := traceBody{Asked: id, Waterfall: fall}
	for _, row := range fall.Rows {
		body.Rows = append(body.Rows, rowOf(row, fall.Took))
	}
	if c.TraceURL != "" {
		body.Link = strings.ReplaceAll(c.TraceURL, "{id}", fall.TraceID)
	}
	return c.show(w, r, "trace", "Trace", body)
}

// kinds are the kinds of events by subject, for the eye.
var kinds = []struct{ pattern, name string }{
	{event.SubjectChat, "chat"}, {event.SubjectPM, "chat"}, {event.AllSends, "send"}, {event.SubjectDelivery, "delivery"}, {event.AllCytube, "room"},
	{event.AllCommands, "command"}, {event.EventSubject("*", event.TypeDeadLetter), "dead letter"}, {event.RequestSubject("*"), "request"},
	{event.RequestSubject("*", ">"), "request"}, {event.AllDatabase, "database"}, {event.AllPlugin, "event"}, {event.AllPlatform, "platform"},
}

// kindOf is what sort of event a subject is.
func kindOf(subject string) string {
	for _, k := range kinds {
		if event.Match(k.pattern, subject) {
			return k.name
		}
	}
	return "event"
}

func rowOf(row replay.Row, took time.Duration) traceRow {
	scale := func(d time.Duration) float64 {
		if took <= 0 {
			return 0
		}
		return float64(d) / float64(took) * barWidth
	}
	kind := kindOf(row.Subject)
	r := traceRow{
		Row: row, Label: kind, Class: strings.ReplaceAll(kind, " ", "-"), Indent: min(row.Depth, maxIndent), Since: row.End - row.Begin,
		Mark: min(scale(row.End), barWidth-leastWidth),
	}
	at := row.Begin
	for _, p := range row.Parts {
		if p.Took <= 0 {
			continue
		}
		r.Segments = append(r.Segments, segment{
			Kind: p.Name, X: min(scale(at), barWidth-leastWidth), W: max(scale(p.Took), leastWidth), Title: p.Name + " " + terminal.FormatDuration(p.Took) + ": " + terminal.Escape(p.What),
		})
		at += p.Took
	}
	return r
}
