package sender

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/cytube/ability"
	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// CallTracker matches the frames that the Sender writes with the server's answers. The
// connector hands it each frame, with the events that the frame means. The Sender asks for
// one thing at a time.
type CallTracker struct {
	mu      sync.Mutex
	writer  Writer // nil without a session
	pending *Call
	moved   chan struct{} // is closed by the next frame, if anybody waits for that
}

// next returns a channel that is closed once the next frame was taken.
func (t *CallTracker) next() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.moved == nil {
		t.moved = make(chan struct{})
	}
	return t.moved
}

// Call is a send that asks something of the channel, while it is worked on.
type Call struct {
	Send          event.Ref
	CorrelationID string
	Span          trace.SpanContext // of the delivery of the send
	Consumer      string            // the durable consumer of the send

	ability *ability.Call
	results chan result // of what was written last

	// Guarded by CallTracker.mu.
	asking bool      // what was written is a question
	over   bool      // the result is known or is being recorded
	seen   event.Ref // the first event that shows that a part was done
}

// result is what became of what was written.
type result struct {
	outcome  *ability.Outcome
	answered bool          // the question was
	open     bool          // an event may follow that shows another outcome
	dropped  time.Duration // the server dropped it: how long to wait
	lost     bool          // the connection was lost
}

func (c *Call) set(r result) {
	if c.over = !r.open; r.open && len(c.results) > 0 {
		return // there must be room for what ends it
	}
	select {
	case c.results <- r:
	default:
	}
}

// Open begins a session: frames are written to w.
func (t *CallTracker) Open(w Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writer = w
}

// Close ends the session.
func (t *CallTracker) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writer = nil
	if c := t.pending; c != nil && !c.over {
		c.set(result{lost: true})
	}
}

// Observe takes a frame, the events that it means and the state after it. It returns the
// call that the events confirm, or a part of it, and the index of the event that does, or
// nil.
func (t *CallTracker) Observe(f channel.Frame, events []channel.Event, s *channel.State) (confirmed *Call, by int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.moved != nil {
		close(t.moved)
		t.moved = nil
	}
	c := t.pending
	if c == nil || c.over {
		return nil, 0
	}
	c.ability.State = s
	if c.asking && c.ability.Answer(f) {
		c.set(result{answered: true})
		return nil, 0
	}
	v := c.ability.Observe(f, events)
	switch {
	case v.Ended != nil:
		c.set(result{outcome: v.Ended})
	case v.Dropped > 0:
		c.set(result{dropped: v.Dropped})
	case c.asking:
	case v.Events, v.Partly:
		c.over = v.Events
		return c, v.Event
	case v.Refused != nil:
		c.set(result{outcome: v.Refused, open: true})
	case v.Shown:
		c.set(result{outcome: &ability.Outcome{Status: event.DeliveryDone}, open: true})
	}
	return nil, 0
}

// Recorded confirms a call, which Observe returned, by the event that is now stored.
func (t *CallTracker) Recorded(c *Call, by event.Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.seen == (event.Ref{}) {
		c.seen = by
	}
	if c.over {
		c.set(result{outcome: &ability.Outcome{Status: event.DeliveryDone, ConfirmedBy: by}})
	} else {
		c.set(result{outcome: &ability.Outcome{Status: event.DeliveryDone}, open: true})
	}
}

// seenBy returns the first event that shows that a part of a call was done, the zero Ref if
// none does.
func (t *CallTracker) seenBy(c *Call) event.Ref {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.seen
}

// begin makes c pending before its frames are written, and returns where to write them.
func (t *CallTracker) begin(c *Call, asking bool) (Writer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.writer == nil {
		return nil, ErrNoSession
	}
	c.results = make(chan result, 4)
	c.seen = event.Ref{}
	c.asking, c.over = asking, false
	t.pending = c
	return t.writer, nil
}

func (t *CallTracker) end(c *Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.over = true
	if t.pending == c {
		t.pending = nil
	}
}

func (s *Sender) newCall(ctx context.Context, send streams.Stored) (*Call, error) {
	a, err := ability.New(send.Envelope)
	return &Call{
		Send: send.Ref, CorrelationID: send.CorrelationID, Span: trace.SpanContextFromContext(ctx), Consumer: s.durable(), ability: a,
	}, err
}
