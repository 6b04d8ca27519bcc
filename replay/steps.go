package replay

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

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
