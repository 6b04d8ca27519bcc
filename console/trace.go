package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

type traceBody struct {
	Query string // the ID that was asked for
	*replay.Conversation
	Steps []replay.Step
	Rows  []traceRow
	Link  string
}

// traceRow is an event and the time since its cause, in the units of a bar.
type traceRow struct {
	*replay.Node
	Depth    int
	Indent   int
	Label    string // what sort of event it is
	Class    string
	After    time.Duration // since the conversation's start
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
	// minWidth keeps a short part visible.
	minWidth  = 2
	maxIndent = 8
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
	found, err := replay.ReadConversation(r.Context(), c.js, id, replay.ConversationOptions{Nearby: r.URL.Query().Get("all") == ""})
	if err == nil {
		err = found.AddCauses(r.Context(), c.js)
	}
	if err != nil {
		return err
	}
	roots := found.Tree()
	body := traceBody{Query: id, Conversation: found, Steps: replay.Steps(roots)}
	for depth, n := range replay.Walk(roots) {
		if visitorOf(r).role != Operator && isPrivate(n.Subject, n.Data) {
			return errPrivate
		}
		body.Rows = append(body.Rows, newTraceRow(n, depth, found))
	}
	if c.TraceURL != "" {
		body.Link = strings.ReplaceAll(c.TraceURL, "{id}", propagation.TraceID(found.ID).String())
	}
	return c.show(w, r, "trace", "Trace", body)
}

var errPrivate = event.Errorf(event.PermissionDenied, "this is a private message, which operators see")

// isPrivate reports whether an event is a private message, or a command that was typed in
// one.
func isPrivate(subject string, data json.RawMessage) bool {
	if event.Match(event.AllCommands, subject) {
		var command struct{ Private bool }
		return json.Unmarshal(data, &command) == nil && command.Private
	}
	return subject == event.SubjectPM || subject == event.SubjectSendPM
}

// eventKinds label the events of a subject; the first pattern that matches counts.
var eventKinds = []struct{ pattern, label string }{
	{event.SubjectChat, "chat"}, {event.SubjectPM, "chat"}, {event.AllSends, "send"}, {event.SubjectDelivery, "delivery"}, {event.AllCytube, "channel"},
	{event.AllCommands, "command"}, {event.EventSubject("*", event.TypeDeadLetter), "dead letter"}, {event.RequestSubject("*"), "request"},
	{event.RequestSubject("*", ">"), "request"}, {event.AllDatabase, "database"}, {event.AllPlugin, "event"}, {event.AllPlatform, "platform"},
}

func eventKind(subject string) string {
	for _, k := range eventKinds {
		if event.Match(k.pattern, subject) {
			return k.label
		}
	}
	return "event"
}

func newTraceRow(n *replay.Node, depth int, c *replay.Conversation) traceRow {
	scale := func(d time.Duration) float64 {
		if c.Duration() <= 0 {
			return 0
		}
		return min(float64(d)/float64(c.Duration())*barWidth, barWidth-minWidth)
	}
	kind := eventKind(n.Subject)
	row := traceRow{
		Node: n, Depth: depth, Indent: min(depth, maxIndent), Label: kind, Class: strings.ReplaceAll(kind, " ", "-"),
		After: max(n.At.Sub(c.Started()), 0),
	}
	row.Mark = scale(row.After)
	at := row.After - n.Latency()
	for _, step := range n.Steps() {
		if step.Took <= 0 {
			continue
		}
		row.Segments = append(row.Segments, segment{
			Kind: step.Name, X: scale(max(at, 0)), W: max(scale(step.Took), minWidth), Title: step.Name + " " + terminal.FormatDuration(step.Took) + ": " + terminal.Escape(step.What),
		})
		at += step.Took
	}
	return row
}

// AllNotes returns what else is to be known of the event.
func (r traceRow) AllNotes() []string {
	notes := r.Notes()
	if r.MissingCause != "" {
		notes = append(notes, "caused by "+r.MissingCause+", which is not shown")
	}
	return notes
}
