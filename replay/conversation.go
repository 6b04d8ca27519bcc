package replay

import (
	"context"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

const (
	// quiet is how long nothing of a conversation must have been stored before
	// it counts as over: longer than a command may wait and then be retried.
	quiet = 30 * time.Minute
	// maxHeld is how many events of unfinished conversations are kept.
	maxHeld = 100_000
	// maxIndent is how deep a tree is indented.
	maxIndent = 16
)

// A conversation is the events of one correlation ID.
type conversation struct {
	id      string
	events  []Event
	last    time.Time
	matched bool // whether one of its events is among those asked for
}

// conversations groups what is stored in the query's range by correlation ID.
// It yields the conversations in which an event matches the query, all their
// events included, in the order of their first events. One that falls silent
// for longer than pause comes in parts, as does one so large that memory would
// not hold it; a pause of 0 has no limit.
func conversations(ctx context.Context, js jetstream.JetStream, q Query, pause time.Duration) iter.Seq2[*conversation, error] {
	return func(yield func(*conversation, error) bool) {
		if err := q.check(); err != nil {
			yield(nil, err)
			return
		}
		m := q.matcher()
		g := gathering{open: map[string]*conversation{}}
		all := q
		all.Filter = Filter{Since: q.Since, Until: q.Until, Correlation: q.Correlation}
		for e, err := range Read(ctx, js, all) {
			if err != nil {
				yield(nil, err)
				return
			}
			g.add(e, m.subject(e.Subject) && m.match(&e))
			for g.held > maxHeld || pause > 0 && g.idle(e.At) > pause {
				if c := g.take(); c.matched && !yield(c, nil) {
					return
				}
			}
		}
		for len(g.queue) > 0 {
			if c := g.take(); c.matched && !yield(c, nil) {
				return
			}
		}
	}
}

// A gathering holds the conversations that are not over, in the order of their
// first events.
type gathering struct {
	open  map[string]*conversation
	queue []*conversation
	held  int
}

func (g *gathering) add(e Event, matched bool) {
	f, _ := e.scan()
	id := e.correlation(f)
	c := g.open[id]
	if c == nil {
		c = &conversation{id: id}
		g.open[id] = c
		g.queue = append(g.queue, c)
	}
	c.events = append(c.events, e)
	c.last = e.At
	c.matched = c.matched || matched
	g.held++
}

// idle is how long before now the oldest conversation fell silent.
func (g *gathering) idle(now time.Time) time.Duration {
	if len(g.queue) == 0 {
		return 0
	}
	return now.Sub(g.queue[0].last)
}

func (g *gathering) take() *conversation {
	c := g.queue[0]
	g.queue[0], g.queue = nil, g.queue[1:]
	delete(g.open, c.id)
	g.held -= len(c.events)
	return c
}

// A node is an event in the tree of what caused what.
type node struct {
	record
	children []*node
	parent   *node
	missing  string // the cause, if it is not in the same conversation
}

// since is how long after its cause the event was stored.
func (n *node) since() time.Duration { return n.At.Sub(n.parent.At) }

// tree puts each event below the one that caused it. Events without a cause, or
// whose cause is not among these, are roots; roots and children come in the
// order they were stored.
func (c *conversation) tree() (roots []*node) {
	byRef := make(map[event.Ref]*node, len(c.events))
	nodes := make([]*node, len(c.events))
	for i, e := range c.events {
		nodes[i] = &node{record: look(e)}
		byRef[e.Ref] = nodes[i]
	}
	for _, n := range nodes {
		cause, ok := n.Causation()
		if !ok {
			continue
		}
		if n.parent = byRef[cause]; n.parent == nil {
			n.missing = cause.String()
		}
	}
	breakCycles(nodes)
	for _, n := range nodes {
		if n.parent == nil {
			roots = append(roots, n)
		} else {
			n.parent.children = append(n.parent.children, n)
		}
	}
	return roots
}

// breakCycles cuts causes that lead back to their effect: anybody may write any
// causation ID.
func breakCycles(nodes []*node) {
	const visiting, done = 1, 2
	state := make(map[*node]int, len(nodes))
	for _, n := range nodes {
		var path []*node
		for at := n; at != nil && state[at] != done; at = at.parent {
			if state[at] == visiting {
				at.missing = at.Meta(event.MetaCausation)
				at.parent = nil
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
