package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

const (
	// quiet is how long nothing of a conversation must have been stored before it
	// counts as over: longer than a command may wait and then be retried.
	idleTimeout = 30 * time.Minute
	// maxHeld is how many events of unfinished conversations are kept.
	maxHeld = 100_000
	// maxAncestors is how many causes before the range complete a conversation.
	maxAncestors = 1000
)

// A Conversation is the events of one correlation ID, in the order they were stored.
type Conversation struct {
	ID      string
	Events  []Event
	Partial bool // whether only what was stored around one event was read

	matched bool // whether one of its events matches the query
}

// Started returns when the first event was stored.
func (c *Conversation) Started() time.Time { return c.Events[0].At }

// Ended returns when the last event was stored.
func (c *Conversation) Ended() time.Time { return c.Events[len(c.Events)-1].At }

// Duration returns the time from the first event to the last.
func (c *Conversation) Duration() time.Duration { return c.Ended().Sub(c.Started()) }

// Conversations returns the conversations in which an event matches the query, all
// their events in the query's range included, in the order of their first events.
// One without events for half an hour comes in parts, as does one so large that
// memory would not hold it. Errors are Read's.
func Conversations(ctx context.Context, js jetstream.JetStream, q Query) iter.Seq2[*Conversation, error] {
	return conversations(ctx, js, q, idleTimeout)
}

// conversations is Conversations with another pause; 0 does not divide any.
func conversations(ctx context.Context, js jetstream.JetStream, q Query, pause time.Duration) iter.Seq2[*Conversation, error] {
	return func(yield func(*Conversation, error) bool) {
		if err := q.check(); err != nil {
			yield(nil, err)
			return
		}
		m := q.matcher()
		g := grouping{open: map[string]*Conversation{}}
		all := q
		all.Filter = Filter{Since: q.Since, Until: q.Until, Correlation: q.Correlation}
		for e, err := range Read(ctx, js, all) {
			if err != nil {
				yield(nil, err)
				return
			}
			g.add(e, m.subject(e.Subject) && m.match(&e))
			for g.held > maxHeld || pause > 0 && g.idle(e.At) > pause {
				if c := g.pop(); c.matched && !yield(c, nil) {
					return
				}
			}
		}
		for len(g.queue) > 0 {
			if c := g.pop(); c.matched && !yield(c, nil) {
				return
			}
		}
	}
}

// A grouping holds the conversations that are not over, in the order of their
// first events.
type grouping struct {
	open  map[string]*Conversation
	queue []*Conversation
	held  int // events
}

func (g *grouping) add(e Event, matched bool) {
	id := e.correlation(e.fields())
	c := g.open[id]
	if c == nil {
		c = &Conversation{ID: id}
		g.open[id] = c
		g.queue = append(g.queue, c)
	}
	c.Events = append(c.Events, e)
	c.matched = c.matched || matched
	g.held++
}

// idle returns for how long the oldest conversation has had no event.
func (g *grouping) idle(now time.Time) time.Duration {
	if len(g.queue) == 0 {
		return 0
	}
	return now.Sub(g.queue[0].Ended())
}

func (g *grouping) pop() *Conversation {
	c := g.queue[0]
	g.queue[0], g.queue = nil, g.queue[1:]
	delete(g.open, c.ID)
	g.held -= len(c.Events)
	return c
}

// AddCauses adds the causes that lie before the query's range, as far as they belong
// to the conversation and are still stored.
func (c *Conversation) AddCauses(ctx context.Context, js jetstream.JetStream) error {
	have := map[event.Ref]bool{{}: true}
	for _, e := range c.Events {
		have[e.Ref] = true
	}
	var causes []Event
	for left := slices.Clone(c.Events); len(left) > 0 && len(causes) < maxAncestors; left = left[1:] {
		_, cause := left[0].Lineage()
		if have[cause] {
			continue
		}
		have[cause] = true
		e, err := fetch(ctx, js, cause)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue // expired, or never stored
		}
		if e.correlation(e.fields()) == c.ID {
			causes, left = append(causes, e), append(left, e)
		}
	}
	slices.SortStableFunc(causes, func(a, b Event) int { return a.At.Compare(b.At) })
	c.Events = append(causes, c.Events...)
	return nil
}

// ConversationOptions bound what ReadConversation reads.
type ConversationOptions struct {
	Since    time.Time // where to begin; zero is the beginning of the streams
	Nearby   bool      // read only half an hour around the event, if the ID names one
	Progress func(Progress)
}

// ReadConversation returns the conversation with a correlation ID, the first eight or more
// characters of one, a trace ID, or one of its events as STREAM:SEQ. The error wraps
// ErrNoMatch when there is none, and is INVALID_INPUT when there are several.
func ReadConversation(ctx context.Context, js jetstream.JetStream, id string, o ConversationOptions) (*Conversation, error) {
	q := Query{Filter: Filter{Since: o.Since}, Progress: o.Progress}
	id = strings.TrimSpace(id)
	if ref, err := event.ParseRef(id); err == nil && o.Nearby {
		if e, err := fetch(ctx, js, ref); err == nil {
			q.Since, q.Until, q.nearby = e.At.Add(-idleTimeout), e.At.Add(idleTimeout), true
		}
	}
	var err error
	if q.Correlation, err = resolveID(ctx, js, id); err != nil {
		return nil, err
	}
	c, err := findConversation(ctx, js, q)
	if err != nil {
		return nil, err
	}
	c.Partial = q.nearby
	return c, nil
}

// resolveID returns the correlation ID that a person names: an ID as it is, or that
// of a stored event.
func resolveID(ctx context.Context, js jetstream.JetStream, id string) (string, error) {
	if id == "" {
		return "", event.Errorf(event.InvalidInput, "name a conversation by its correlation ID or one of its events, for example CYTUBE:42")
	}
	ref, err := event.ParseRef(id)
	if err != nil {
		return id, nil
	}
	if ref.Seq == 0 {
		return "", event.Errorf(event.InvalidInput, "there is no event %s: a stream's events are numbered from 1", id)
	}
	e, err := fetch(ctx, js, ref)
	if upper := strings.ToUpper(ref.Stream); errors.Is(err, jetstream.ErrStreamNotFound) && upper != ref.Stream {
		ref.Stream = upper
		e, err = fetch(ctx, js, ref)
	}
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrInvalidStreamName):
		return id, nil
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return "", fmt.Errorf("%w: stream %s does not hold event %d", ErrNoMatch, ref.Stream, ref.Seq)
	case err != nil:
		return "", event.Errorf(event.NATSError, "read %s: %w", ref, err)
	}
	return e.correlation(e.fields()), nil
}

// fetch reads one stored event; its errors are JetStream's.
func fetch(ctx context.Context, js jetstream.JetStream, ref event.Ref) (Event, error) {
	s, err := js.Stream(ctx, ref.Stream)
	if err != nil {
		return Event{}, err
	}
	raw, err := s.GetMsg(ctx, ref.Seq)
	if err != nil {
		return Event{}, err
	}
	return NewEvent(ref.Stream, raw), nil
}

func findConversation(ctx context.Context, js jetstream.JetStream, q Query) (*Conversation, error) {
	var found []*Conversation
	for c, err := range conversations(ctx, js, q, 0) {
		if err != nil {
			return nil, err
		}
		if c.ID == q.Correlation {
			return c, nil
		}
		found = append(found, c)
	}
	switch len(found) {
	case 0:
		return nil, NoMatch(ctx, js, q.Filter)
	case 1:
		return found[0], nil
	}
	var ids []string
	for _, c := range found[:min(len(found), 5)] {
		ids = append(ids, c.ID)
	}
	return nil, event.Errorf(event.InvalidInput, "%d conversations begin with %s: name one of %s in full", len(found), q.Correlation, strings.Join(ids, ", "))
}
