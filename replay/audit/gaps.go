package audit

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// A gapTracker turns connections that went down and came up into gaps.
type gapTracker struct {
	q    Query
	ends map[event.Ref]time.Time // of the gap that began with an event; none while it lasts
	open map[string]bool         // by channel, while the bot is not in it
	seen map[string]time.Time    // by channel, when the bot last heard anything there
}

func newGapTracker(q Query) *gapTracker {
	return &gapTracker{q: q, ends: map[event.Ref]time.Time{}, open: map[string]bool{}, seen: map[string]time.Time{}}
}

// observe returns an event's entry and whether the query selects it.
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

// findEnds looks up when the gaps end that begin in a selection, before a message for
// which past reports true, so that each can be shown where it began. A gap may end long
// after that.
func (g *gapTracker) findEnds(ctx context.Context, js jetstream.JetStream, s streams.Selection, past func(*jetstream.RawStreamMsg) bool) error {
	s.Stream, s.Subjects = streams.Cytube, []string{event.SubjectConnection}
	began := map[string]event.Ref{}
	for raw, err := range streams.Messages(ctx, js, s) {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return readError(ctx, err)
		}
		if past(raw) && len(began) == 0 {
			return nil
		}
		entry := NewEntry(replay.NewEvent(streams.Cytube, raw))
		name := strings.ToLower(entry.Channel)
		switch ref, open := began[name]; {
		case g.q.Channel != "" && !strings.EqualFold(g.q.Channel, entry.Channel):
		case entry.Kind == KindGap && !open && !past(raw):
			began[name] = entry.Ref
		case entry.Kind == KindOnline && open:
			g.ends[ref] = entry.At
			delete(began, name)
		}
	}
	return nil
}

// readError returns the context's error if ctx has ended, and else err as a NATS_ERROR.
func readError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return event.Errorf(event.NATSError, "%w", err)
}

// heard notes that the bot was in the entry's channel.
func (g *gapTracker) heard(e Entry) {
	if e.Channel != "" && !e.buffered {
		g.seen[strings.ToLower(e.Channel)] = e.Stored
	}
}

// connection returns the entry of a connection that went down or came up, and whether
// the query selects it.
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
		return e, false // the gap shows it
	}
	if last, ok := g.seen[name]; ok {
		// It came up without having gone down: the bot was killed.
		return Entry{Ref: e.Ref, At: last, Stored: e.Stored, Kind: KindGap, Channel: e.Channel, Until: e.At,
			Text: "the bot did not get to record that it left"}, wanted
	}
	return e, wanted && g.q.User == "" && g.q.Grep == nil
}
