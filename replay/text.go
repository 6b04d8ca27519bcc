package replay

import (
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/streams"
)

// Columns of the text layout.
const (
	timeLayout   = "2006-01-02 15:04:05.000"
	shortID      = 8
	subjectWidth = 26
	channelWidth = 12
	actorWidth   = 14
	latencyWidth = 12
	maxText      = 400 // characters; CyTube's chat lines have fewer
	maxIndent    = 16  // levels of a tree that are indented
)

// pluginColors leave out red, which means trouble.
var pluginColors = []terminal.Color{"32", "33", "34", "35", "36", "92", "93", "94", "95", "96"}

// colorOf returns the colour of an event: red for a problem, else its plugin's,
// always the same one.
func colorOf(r *Record) terminal.Color {
	switch {
	case r.Problem != "":
		return terminal.Red
	case r.Plugin == "":
		return ""
	}
	h := fnv.New32a()
	io.WriteString(h, r.Plugin)
	return pluginColors[h.Sum32()%uint32(len(pluginColors))]
}

// event writes one event as one line.
func (p *printer) event(e Event) error {
	if p.JSON {
		line, err := e.JSON()
		if err != nil {
			return err
		}
		_, err = p.w.Write(append(line, '\n'))
		return err
	}
	r := Describe(e)
	return p.record(&r)
}

// record writes when an event was stored, the beginning of its correlation ID, its
// subject, who and what. Nothing of it reaches the terminal unescaped.
func (p *printer) record(r *Record) error {
	channel := ""
	if p.ShowChannel {
		channel = terminal.Pad(terminal.Escape(fieldsOf(r.Data)["channel"]), channelWidth) + "  "
	}
	_, err := fmt.Fprintf(p.w, "%s  %s  %s  %s%s  %s\n",
		p.paint(p.time(r.At), terminal.Dim),
		p.paint(terminal.Pad(short(r.CorrelationID), shortID), terminal.Dim),
		p.paint(terminal.Pad(terminal.Escape(r.Subject), subjectWidth), colorOf(r)),
		channel, terminal.Pad(terminal.Escape(r.Actor), actorWidth),
		trimmed(terminal.Escape(p.truncate(r.Text)), p.notes(r)))
	return err
}

// truncate cuts a text that would fill a screen.
func (p *printer) truncate(text string) string {
	if len(text) <= maxText {
		return text
	}
	if runes := []rune(text); len(runes) > maxText {
		return trimmed(string(runes[:maxText]), "… ", p.TruncatedHint)
	}
	return text
}

func (p *printer) notes(r *Record) string {
	var b strings.Builder
	for _, note := range r.Notes() {
		color := terminal.Dim
		if r.Problem != "" {
			color = terminal.Red
		}
		b.WriteString("  " + p.paint("["+terminal.Escape(note)+"]", color))
	}
	return b.String()
}

// short returns the part of a correlation ID that is enough to ask for it: of one that
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

// conversation writes an event on its own as one line, and several as a tree.
func (p *printer) conversation(c *Conversation) error {
	switch {
	case p.JSON:
		return p.json(newJSONConversation(c, c.Tree()))
	case len(c.Events) == 1:
		return p.event(c.Events[0])
	}
	p.tree(c, c.Tree())
	return p.w.Flush()
}

func (p *printer) trace(c *Conversation) error {
	roots := c.Tree()
	steps := Steps(roots)
	if p.JSON {
		j := newJSONConversation(c, roots)
		j.Steps = steps
		return p.json(j)
	}
	p.tree(c, roots)
	for _, s := range steps {
		took := fmt.Sprintf("%*s", latencyWidth, terminal.FormatDuration(s.Took))
		if s.Name == "total" {
			took = p.paint(took, terminal.Bold)
		}
		p.printf("%s  %s\n", took, trimmed(terminal.Pad(s.Name, 8), terminal.Escape(s.What)))
	}
	return p.w.Flush()
}

// tree writes each event below its cause, after the time that lay between.
func (p *printer) tree(c *Conversation, roots []*Node) {
	p.printf("%s  %s  %d events in %s\n", p.paint(p.time(c.Started()), terminal.Dim),
		p.paint(terminal.Escape(c.ID), terminal.Bold), len(c.Events), terminal.FormatDuration(c.Duration()))
	for _, root := range roots {
		p.node(root, "", "", c.Started())
	}
	p.printf("\n")
}

// node writes a node after branch, and those below it after indent.
func (p *printer) node(n *Node, branch, indent string, start time.Time) {
	latency := ""
	switch {
	case n.Parent != nil:
		latency = "+" + terminal.FormatDuration(n.Latency())
	case n.At.After(start):
		latency = "at +" + terminal.FormatDuration(n.At.Sub(start))
	}
	actor := terminal.Escape(n.Actor)
	if actor != "" {
		actor += "  "
	}
	missing := ""
	if n.MissingCause != "" {
		missing = "  " + p.paint("[caused by "+terminal.Escape(n.MissingCause)+", which is not shown]", terminal.Dim)
	}
	if plugin := n.Header.Get(streams.HeaderPublisher); plugin != "" && n.Parent != nil && event.PluginOf(n.Parent.Subject) != plugin {
		missing += "  " + p.paint("[as "+terminal.Escape(plugin)+" claims]", terminal.Dim)
	}
	p.printf("%*s  %s%s  %s\n", latencyWidth, latency, branch,
		p.paint(terminal.Escape(n.Subject), colorOf(&n.Record)), trimmed(actor, terminal.Escape(n.Text), p.notes(&n.Record), missing))
	for i, child := range n.Children {
		mark, deeper := "├─ ", "│  "
		if i == len(n.Children)-1 {
			mark, deeper = "└─ ", "   "
		}
		if strings.Count(indent, "  ") >= maxIndent {
			deeper = ""
		}
		p.node(child, indent+mark, indent+deeper, start)
	}
}

func (p *printer) summary(s *Summary) error {
	if p.JSON {
		return p.json(s)
	}
	heading := func(format string, args ...any) {
		p.printf("%s\n", p.paint(fmt.Sprintf(format, args...), terminal.Bold))
	}
	heading("%d events from %s to %s", s.Events, p.time(s.First), p.time(s.Last))
	p.printf("\n")
	heading("%9s  %10s  subject", "count", "bytes")
	for _, name := range byCount(s.Subjects, func(c *SubjectCount) int { return c.Count }) {
		p.printf("%9d  %10d  %s\n", s.Subjects[name].Count, s.Subjects[name].Bytes, terminal.Escape(name))
	}
	if len(s.Plugins) > 0 {
		p.printf("\n")
		heading("%9s  %9s  %9s  %9s  %9s  plugin", "commands", "sends", "events", "requests", "problems")
		for _, name := range byCount(s.Plugins, (*PluginCount).total) {
			c := s.Plugins[name]
			p.printf("%9d  %9d  %9d  %9d  %9d  %s\n", c.Commands, c.Sends, c.Events, c.Requests, c.Problems, terminal.Escape(name))
		}
	}
	if len(s.Slowest) > 0 {
		p.printf("\n")
		heading("%9s  %9s  slowest conversations", "took", "events")
		for _, c := range s.Slowest {
			p.printf("%9s  %9d  %s  %s  %s\n", terminal.FormatDuration(c.Took()), c.Events, terminal.Escape(c.ID), terminal.Escape(c.First.Actor), terminal.Escape(c.First.Text))
		}
	}
	p.printf("\n")
	if len(s.Problems) == 0 && s.Repeated == 0 {
		p.printf("no errors, nothing made by a repeated attempt\n")
		return p.w.Flush()
	}
	heading("%9s  problem", "count")
	for _, name := range slices.Sorted(maps.Keys(s.Problems)) {
		p.printf("%9d  %s\n", s.Problems[name], terminal.Escape(name))
	}
	if s.Repeated > 0 {
		p.printf("%9d  made by a repeated attempt\n", s.Repeated)
	}
	if len(s.Latest) > 0 {
		p.printf("\n")
		heading("the latest of them")
	}
	for i := range s.Latest {
		_ = p.record(&s.Latest[i])
	}
	return p.w.Flush()
}
