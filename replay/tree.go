package replay

import (
	"encoding/json"
	"iter"
	"time"

	"github.com/rosey-bot/rosey/event"
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
	line, err := marshalEvent(n.Event)
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
