package replay

import (
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// A Node is an event in the tree of causes and effects.
type Node struct {
	Record
	Parent       *Node
	Children     []*Node
	MissingCause string // the cause, if it is not in the same conversation
}

// Latency returns how long after its cause the event was stored; 0 without a cause.
func (n *Node) Latency() time.Duration {
	if n.Parent == nil {
		return 0
	}
	return n.At.Sub(n.Parent.At)
}

// Tree puts each event below the one that caused it. Events without a cause, or
// whose cause is not in the conversation, are roots; roots and children come in the
// order they were stored.
func (c *Conversation) Tree() (roots []*Node) {
	byRef := make(map[event.Ref]*Node, len(c.Events))
	nodes := make([]*Node, len(c.Events))
	for i, e := range c.Events {
		nodes[i] = &Node{Record: Describe(e)}
		byRef[e.Ref] = nodes[i]
	}
	for _, n := range nodes {
		cause, ok := n.Causation()
		if !ok {
			continue
		}
		if n.Parent = byRef[cause]; n.Parent == nil {
			n.MissingCause = cause.String()
		}
	}
	breakCycles(nodes)
	for _, n := range nodes {
		if n.Parent == nil {
			roots = append(roots, n)
		} else {
			n.Parent.Children = append(n.Parent.Children, n)
		}
	}
	return roots
}

// breakCycles cuts causes that lead back to their effect: a publisher may write any
// causation ID.
func breakCycles(nodes []*Node) {
	const visiting, done = 1, 2
	state := make(map[*Node]int, len(nodes))
	for _, n := range nodes {
		var path []*Node
		for at := n; at != nil && state[at] != done; at = at.Parent {
			if state[at] == visiting {
				at.MissingCause = at.Meta(event.MetaCausation)
				at.Parent = nil
				break
			}
			state[at] = visiting
			path = append(path, at)
		}
		for _, at := range path {
			state[at] = done
		}
	}
}

// Walk visits nodes and what is below them, causes before effects, with their depth.
func Walk(roots []*Node) iter.Seq2[int, *Node] {
	return func(yield func(int, *Node) bool) { walk(roots, 0, yield) }
}

func walk(nodes []*Node, depth int, yield func(int, *Node) bool) bool {
	for _, n := range nodes {
		if !yield(depth, n) || !walk(n.Children, depth+1, yield) {
			return false
		}
	}
	return true
}

// jsonConversation is a conversation as one JSON object.
type jsonConversation struct {
	CorrelationID string   `json:"correlation_id"`
	Started       jsonTime `json:"started"`
	Ended         jsonTime `json:"ended"`
	Duration      float64  `json:"duration_ms"`
	Events        int      `json:"events"`
	Tree          []*Node  `json:"tree"`
	Steps         []Step   `json:"steps,omitempty"`
}

func newJSONConversation(c *Conversation, roots []*Node) jsonConversation {
	return jsonConversation{CorrelationID: c.ID, Started: jsonTime(c.Started()), Ended: jsonTime(c.Ended()), Duration: ms(c.Duration()), Events: len(c.Events), Tree: roots}
}

type jsonNode struct {
	Event    json.RawMessage `json:"event"`
	Latency  *float64        `json:"latency_ms,omitempty"` // since its cause was stored
	Attempt  int             `json:"attempt,omitempty"`    // when not the first
	Problem  string          `json:"problem,omitempty"`
	Missing  string          `json:"missing_cause,omitempty"`
	Children []*Node         `json:"children,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (n *Node) MarshalJSON() ([]byte, error) {
	line, err := n.Event.JSON()
	if err != nil {
		return nil, err
	}
	j := jsonNode{Event: line, Problem: n.Problem, Missing: n.MissingCause, Children: n.Children}
	if n.Attempt > 1 {
		j.Attempt = n.Attempt
	}
	if n.Parent != nil {
		latency := ms(n.Latency())
		j.Latency = &latency
	}
	return encode(j)
}

// Step is a part of the way from a conversation's first event to its last: a
// queue, the router, a plugin, sending, or the echo.
type Step struct {
	Name string
	Took time.Duration
	What string
}

// MarshalJSON implements json.Marshaler.
func (s Step) MarshalJSON() ([]byte, error) {
	return encode(struct {
		Name string  `json:"name"`
		Took float64 `json:"took_ms"`
		What string  `json:"what"`
	}{s.Name, ms(s.Took), s.What})
}

// Steps returns where the time went on the way to the event that was stored last, and
// the total.
func Steps(roots []*Node) []Step {
	var last *Node
	for _, n := range Walk(roots) {
		if last == nil || n.At.After(last.At) {
			last = n
		}
	}
	if last == nil || last.Parent == nil {
		return nil
	}
	var path []*Node
	first := last
	for ; first.Parent != nil; first = first.Parent {
		path = append(path, first)
	}
	var out []Step
	for _, n := range slices.Backward(path) {
		out = append(out, n.Steps()...)
	}
	return append(out, Step{"total", last.At.Sub(first.At), ""})
}

// Steps divides the time between an event and its cause: waiting in the stream, the
// work of the consumer, and storing the result. Without a cause there are none.
func (n *Node) Steps() []Step {
	if n.Parent == nil {
		return nil
	}
	var out []Step
	rest := n.Latency()
	add := func(name string, took time.Duration, what string) {
		took = max(min(took, rest), 0)
		rest -= took
		out = append(out, Step{name, took, what})
	}
	name, consumer := "plugin", n.Meta(event.MetaSource)
	switch {
	case event.Match(event.AllCommands, n.Subject):
		name = "route"
	case event.Match(event.AllSends, n.Parent.Subject):
		add("echo", rest, n.Parent.Subject+" is heard as "+n.Subject)
		return out
	case !strings.HasPrefix(consumer, "plugin-"):
		name = "work"
	}
	if waited, ok := Waited(n.Stored); ok {
		add("queue", waited, n.Parent.Subject+" waits for "+consumer)
	}
	storing := n.At.Sub(n.Timestamp)
	if storing < 0 || storing > rest {
		storing = 0 // the timestamp is another clock's
	}
	add(name, rest-storing, consumer+" makes "+n.Subject)
	add("send", storing, n.Subject+" is stored")
	return out
}

// Waited returns how long the cause of s had been stored when the handler that
// published s was called, and whether s says so.
func Waited(s streams.Stored) (time.Duration, bool) {
	n, ok := s.Metadata[event.MetaWaited].(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1e9 {
		return 0, false
	}
	return time.Duration(f * float64(time.Second)).Round(time.Microsecond), true
}
