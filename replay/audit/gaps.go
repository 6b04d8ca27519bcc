package audit

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
)

// gaps turns connections that went down and came up into gaps.
type gapTracker struct {
	q    Query
	ends map[event.Ref]time.Time // of the gap that began with an event; none while it lasts
	open map[string]bool         // by channel, while the bot is not in it
	seen map[string]time.Time    // by channel, when the bot last heard anything there
}

func newGapTracker(q Query) *gapTracker {
	return &gapTracker{q: q, ends: map[event.Ref]time.Time{}, open: map[string]bool{}, seen: map[string]time.Time{}}
}

// take reads an event; show says whether the query wants it.
func (g *gapTracker) observe(e replay.Event) (entry Entry, show bool) {
	entry = NewEntry(e)
	if entry.Kind == KindRetry {
		return entry, false
	}
	show = g.q.match(entry)
	if entry.Kind == KindOnline || entry.Kind == KindGap {
		entry, show = g.connection(entry)
	}
	g.heard(entry)
	return entry, show
}

// find looks up when gaps end, so that each can be shown where it began. There
// are few such events: reading them twice costs little.
func (g *gapTracker) find(ctx context.Context, js jetstream.JetStream) error {
	began := map[string]event.Ref{}
	q := replay.Query{Filter: replay.Filter{Subjects: []string{event.SubjectConnection}, Since: g.q.Since, Until: g.q.Until}}
	if err := q.Validate(); err != nil {
		return err
	}
	q.Until = time.Time{} // a gap may end after what is to be shown
	for e, err := range replay.Read(ctx, js, q) {
		if err != nil {
			return err
		}
		entry := NewEntry(e)
		name := strings.ToLower(entry.Channel)
		switch ref, open := began[name]; {
		case entry.Kind == KindGap && !open:
			began[name] = entry.Ref
		case entry.Kind == KindOnline && open:
			g.ends[ref] = entry.At
			delete(began, name)
		}
	}
	return nil
}

func (g *gapTracker) heard(e Entry) {
	if e.Channel != "" && !e.missed {
		g.seen[strings.ToLower(e.Channel)] = e.Stored
	}
}

// connection makes the entry of a connection that went down or came up, and says
// whether to show it.
func (g *gapTracker) connection(e Entry) (Entry, bool) {
	name := strings.ToLower(e.Channel)
	wanted := g.q.Channel == "" || strings.EqualFold(g.q.Channel, e.Channel)
	wasOpen := g.open[name]
	g.open[name] = e.Kind == KindGap
	if e.Kind == KindGap {
		e.Until = g.ends[e.Ref]
		return e, wanted && !wasOpen
	}
	if wasOpen {
		return e, false // the gap has told of it
	}
	if last, ok := g.seen[name]; ok {
		// It came up without having gone down: the bot was killed.
		return Entry{Ref: e.Ref, At: last, Stored: e.Stored, Kind: KindGap, Channel: e.Channel, Until: e.At,
			Text: "the bot did not get to record that it left"}, wanted
	}
	return e, wanted && g.q.User == "" && g.q.Grep == nil
}
