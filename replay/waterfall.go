package replay

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Waterfall is one conversation made ready to be drawn: a row for each event,
// below the one that caused it.
type Waterfall struct {
	ID      string // the correlation ID
	TraceID string // as Jaeger shows it
	Started time.Time
	Took    time.Duration
	Rows    []Row
	Steps   []Step // where the time went on the way to the last event, and in total
	Partial bool   // only what was stored around the event that was asked for was read
}

// Row is one event of a Waterfall.
type Row struct {
	Ref     event.Ref
	At      time.Time
	Subject string
	Depth   int    // how many causes it has
	Who     string // a user, a plugin or a part of the bot
	What    string // what happened, in a few words; not safe for a terminal, see Printable
	Notes   []string
	Problem string        // what went wrong, if it tells of that
	Begin   time.Duration // when its cause was stored, since Started
	End     time.Duration // when it was stored, since Started
	Parts   []Step        // what lay between Begin and End
	Event   json.RawMessage
}

// Trouble reports whether the row tells of something that went wrong or was done
// again.
func (r Row) Trouble() bool { return r.Problem != "" }

// WaterfallOf reads a conversation. It is named as for WriteTrace. Where it is named
// by one of its events, only what was stored within half an hour of that is
// read, and Partial is set, unless all is asked for. Errors are WriteTrace's.
func WaterfallOf(ctx context.Context, js jetstream.JetStream, id string, all bool) (*Waterfall, error) {
	id = strings.TrimSpace(id)
	f := Filter{}
	ref, err := event.ParseRef(id)
	if err == nil && !all {
		if e, err := fetch(ctx, js, ref); err == nil {
			f.Since, f.Until = e.At.Add(-quiet), e.At.Add(quiet)
		}
	}
	if f.Correlation, err = conversationOf(ctx, js, id); err != nil {
		return nil, err
	}
	c, err := oneConversation(ctx, js, Query{Filter: f})
	if err != nil {
		return nil, err
	}
	if err := c.complete(ctx, js); err != nil {
		return nil, err
	}
	first := c.events[0].At
	w := &Waterfall{ID: c.id, TraceID: propagation.TraceID(c.id).String(), Started: first, Took: c.last.Sub(first), Partial: !f.Since.IsZero()}
	roots := c.tree()
	w.Steps = steps(roots)
	for _, n := range roots {
		if err := w.add(n, 0); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *Waterfall) add(n *node, depth int) error {
	line, err := marshalEvent(n.event)
	if err != nil {
		return err
	}
	r := Row{
		Ref: n.Ref, At: n.At, Subject: n.Subject, Depth: depth, Who: n.who, What: n.what, Notes: n.notes(), Problem: n.problem,
		End: max(n.At.Sub(w.Started), 0), Event: line,
	}
	r.Begin = r.End
	if n.parent != nil {
		r.Begin = max(n.parent.At.Sub(w.Started), 0)
		r.Parts = stepsTo(n)
	}
	if n.missing != "" {
		r.Notes = append(r.Notes, "caused by "+n.missing+", which is not shown")
	}
	w.Rows = append(w.Rows, r)
	for _, child := range n.children {
		if err := w.add(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}
