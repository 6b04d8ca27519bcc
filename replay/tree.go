package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/internal/terminal"
)

// latencyWidth is the column of the time between an event and its cause.
const latencyWidth = 12

// A painter writes conversations as text.
type painter struct {
	w    io.Writer
	p    terminal.Palette
	zone *time.Location
}

// write writes a conversation: as text an event on its own is one line, as in
// the list, and several are a tree.
func (t *painter) write(c *conversation, asJSON bool) error {
	switch {
	case asJSON:
		j, err := newJSONConversation(c, c.tree())
		if err != nil {
			return err
		}
		return writeJSONLine(t.w, j)
	case len(c.events) == 1:
		return writeText(t.w, c.events[0], t.p, t.zone)
	}
	return t.tree(c, c.tree())
}

// tree writes each event below the one that caused it, after the time that lay
// between.
func (t *painter) tree(c *conversation, roots []*node) error {
	first := c.events[0].At
	_, err := fmt.Fprintf(t.w, "%s  %s  %d events in %s\n", t.p.Paint(first.In(t.zone).Format(timeLayout), terminal.Dim),
		t.p.Paint(terminal.Escape(c.id), terminal.Bold), len(c.events), terminal.FormatDuration(c.last.Sub(first)))
	for i, root := range roots {
		if err == nil {
			err = t.node(root, "", i == len(roots)-1, first)
		}
	}
	if err == nil {
		_, err = fmt.Fprintln(t.w)
	}
	return err
}

func (t *painter) node(n *node, indent string, last bool, start time.Time) error {
	mark, deeper := "├─ ", "│  "
	if last {
		mark, deeper = "└─ ", "   "
	}
	latency := ""
	switch {
	case n.parent != nil:
		latency = "+" + terminal.FormatDuration(n.since())
	case n.At.After(start):
		latency = "at +" + terminal.FormatDuration(n.At.Sub(start))
	}
	if n.parent == nil {
		mark, deeper = "", ""
	}
	who := terminal.Escape(n.who)
	if who != "" {
		who += "  "
	}
	line := strings.TrimRight(who+terminal.Escape(n.what)+noted(&n.record, t.p)+t.missing(n), " ")
	_, err := fmt.Fprintf(t.w, "%*s  %s%s  %s\n", latencyWidth, latency, indent+mark, t.p.Paint(terminal.Escape(n.Subject), colorOf(&n.record)), line)
	if strings.Count(indent, "  ") < maxIndent {
		indent += deeper
	}
	for i, child := range n.children {
		if err == nil {
			err = t.node(child, indent, i == len(n.children)-1, start)
		}
	}
	return err
}

func (t *painter) missing(n *node) string {
	if n.missing == "" {
		return ""
	}
	return "  " + t.p.Paint("[caused by "+terminal.Escape(n.missing)+", which is not shown]", terminal.Dim)
}

// jsonConversation is a conversation as one JSON object.
type jsonConversation struct {
	CorrelationID string     `json:"correlation_id"`
	Started       jsonTime   `json:"started"`
	Ended         jsonTime   `json:"ended"`
	Duration      float64    `json:"duration_ms"`
	Events        int        `json:"events"`
	Tree          []jsonNode `json:"tree"`
	Steps         []jsonStep `json:"steps,omitempty"`
}

type jsonNode struct {
	Event    json.RawMessage `json:"event"`
	Latency  *float64        `json:"latency_ms,omitempty"` // since its cause was stored
	Attempt  int             `json:"attempt,omitempty"`    // when not the first
	Problem  string          `json:"problem,omitempty"`
	Missing  string          `json:"missing_cause,omitempty"`
	Children []jsonNode      `json:"children,omitempty"`
}

func newJSONConversation(c *conversation, roots []*node) (jsonConversation, error) {
	first := c.events[0].At
	j := jsonConversation{CorrelationID: c.id, Started: jsonTime(first), Ended: jsonTime(c.last), Duration: ms(c.last.Sub(first)), Events: len(c.events)}
	var err error
	j.Tree, err = jsonNodes(roots)
	return j, err
}

func jsonNodes(nodes []*node) ([]jsonNode, error) {
	var out []jsonNode
	for _, n := range nodes {
		line, err := marshalEvent(n.event)
		if err != nil {
			return nil, err
		}
		j := jsonNode{Event: line, Problem: n.problem, Missing: n.missing}
		if n.attempt > 1 {
			j.Attempt = n.attempt
		}
		if n.parent != nil {
			latency := ms(n.since())
			j.Latency = &latency
		}
		if j.Children, err = jsonNodes(n.children); err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	return out, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func writeJSONLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
