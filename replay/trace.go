package replay

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
)

// TraceOptions are what `rosey trace` is asked for besides the ID.
type TraceOptions struct {
	JSON     bool           // write one JSON object instead of text
	Color    bool           // colour the text: see Terminal
	Zone     *time.Location // of times in text; local when nil
	Since    time.Time      // where to begin to look; zero is the beginning of the streams
	Progress func(Progress) // see Query
}

// WriteTrace writes one conversation as a tree, and where its time went from the
// first event to the last: queues, router, plugins, sending and the echo. The
// conversation is named by its correlation ID, the first MinPrefix or more
// characters of it, its trace ID, or one of its events as STREAM:SEQ. The error
// wraps ErrNoMatch when there is none, and is INVALID_INPUT when there are
// several.
func WriteTrace(ctx context.Context, js jetstream.JetStream, out io.Writer, id string, o TraceOptions) error {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	id, err := conversationOf(ctx, js, strings.TrimSpace(id))
	if err != nil {
		return err
	}
	c, err := oneConversation(ctx, js, Query{Filter: Filter{Correlation: id, Since: o.Since}, Progress: o.Progress})
	if err != nil {
		return err
	}
	roots := c.tree()
	w := bufio.NewWriter(out)
	if o.JSON {
		j, err := newJSONConversation(c, roots)
		if err != nil {
			return err
		}
		for _, s := range steps(roots) {
			j.Steps = append(j.Steps, jsonStep{s.Name, ms(s.Took), s.What})
		}
		if err := writeJSONLine(w, j); err != nil {
			return err
		}
		return w.Flush()
	}
	t := painter{w, terminal.Palette(o.Color), o.Zone}
	if err := errors.Join(t.tree(c, roots), t.steps(steps(roots))); err != nil {
		return err
	}
	return w.Flush()
}

// conversationOf is the correlation ID of what a person names: an ID as it is,
// or that of a stored event.
func conversationOf(ctx context.Context, js jetstream.JetStream, id string) (string, error) {
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
	f, _ := e.scan()
	return e.correlation(f), nil
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
	return Event{Ref: ref, At: raw.Time, Subject: raw.Subject, Header: raw.Header, Body: raw.Data}, nil
}

func oneConversation(ctx context.Context, js jetstream.JetStream, q Query) (*conversation, error) {
	var found []*conversation
	for c, err := range conversations(ctx, js, q, 0) {
		if err != nil {
			return nil, err
		}
		if c.id == q.Correlation {
			return c, nil
		}
		found = append(found, c)
	}
	switch len(found) {
	case 0:
		return nil, nothing(ctx, js, q.Filter)
	case 1:
		return found[0], nil
	}
	var ids []string
	for _, c := range found[:min(len(found), 5)] {
		ids = append(ids, c.id)
	}
	return nil, event.Errorf(event.InvalidInput, "%d conversations begin with %s: name one of %s in full", len(found), q.Correlation, strings.Join(ids, ", "))
}

// Step is a part of the way from a conversation's first event to its last: a
// queue, the router, a plugin, sending, or the echo.
type Step struct {
	Name string
	Took time.Duration
	What string
}

type jsonStep struct {
	Name string  `json:"name"`
	Took float64 `json:"took_ms"`
	What string  `json:"what"`
}

// steps says where the time went on the way to the event that was stored last.
func steps(roots []*node) []Step {
	var last *node
	var visit func([]*node)
	visit = func(nodes []*node) {
		for _, n := range nodes {
			if last == nil || n.At.After(last.At) {
				last = n
			}
			visit(n.children)
		}
	}
	visit(roots)
	if last == nil || last.parent == nil {
		return nil
	}
	var path []*node
	for n := last; n != nil; n = n.parent {
		path = append(path, n)
	}
	slices.Reverse(path)
	var out []Step
	for _, n := range path[1:] {
		out = append(out, stepsTo(n)...)
	}
	return append(out, Step{"total", last.At.Sub(path[0].At), ""})
}

// stepsTo divides the time between an event and its cause: waiting in the
// stream, the work of the consumer, and storing what came of it.
func stepsTo(n *node) []Step {
	var out []Step
	rest := n.since()
	take := func(name string, took time.Duration, what string) {
		took = max(min(took, rest), 0)
		rest -= took
		out = append(out, Step{name, took, what})
	}
	name, consumer := "plugin", n.Meta(event.MetaSource)
	switch {
	case event.Match(event.AllCommands, n.Subject):
		name = "route"
	case event.Match(event.AllSends, n.parent.Subject):
		take("echo", rest, n.parent.Subject+" is heard as "+n.Subject)
		return out
	case !strings.HasPrefix(consumer, "plugin-"):
		name = "work"
	}
	if waited, ok := seconds(n.Metadata[event.MetaWaited]); ok {
		take("queue", waited, n.parent.Subject+" waits for "+consumer)
	}
	storing := n.At.Sub(n.Timestamp)
	if storing < 0 || storing > rest {
		// Made by another clock.
		storing = 0
	}
	take(name, rest-storing, consumer+" makes "+n.Subject)
	take("send", storing, n.Subject+" is stored")
	return out
}

func seconds(v any) (time.Duration, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1e9 {
		return 0, false
	}
	return time.Duration(f * float64(time.Second)).Round(time.Microsecond), true
}

func (t *painter) steps(steps []Step) error {
	for _, s := range steps {
		took := terminal.FormatDuration(s.Took)
		if s.Name == "total" {
			took = t.p.Paint(fmt.Sprintf("%*s", latencyWidth, took), terminal.Bold)
		}
		if _, err := fmt.Fprintf(t.w, "%*s  %s\n", latencyWidth, took, strings.TrimRight(terminal.Pad(s.Name, 8)+terminal.Escape(s.What), " ")); err != nil {
			return err
		}
	}
	return nil
}
