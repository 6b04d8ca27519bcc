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

// A presence is all connections that the stream holds, by their sequences. From them
// follows when the bot was away from a channel, whatever part of the history is wanted.
type presence struct {
	js          jetstream.JetStream
	q           Query
	connections []*connection
	bySequence  map[uint64]*connection
}

// A connection is an entry of when the bot joined a channel (KindOnline), or left it
// (KindGap).
type connection struct {
	Entry
	previous *connection // of the same channel
}

func readPresence(ctx context.Context, js jetstream.JetStream, q Query) (*presence, error) {
	p := &presence{js: js, q: q, bySequence: map[uint64]*connection{}}
	latest := map[string]*connection{} // by channel
	for raw, err := range streams.Messages(ctx, js, streams.Selection{Stream: streams.Cytube, Subjects: []string{event.SubjectConnection}}) {
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return p, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return nil, event.Errorf(event.NATSError, "%w", err)
		}
		c := &connection{Entry: newEntry(replay.NewEvent(streams.Cytube, raw))}
		name := strings.ToLower(c.Channel)
		if c.Kind != KindOnline && c.Kind != KindGap || q.Channel != "" && name != strings.ToLower(q.Channel) {
			continue
		}
		if c.previous = latest[name]; c.previous.away() {
			if c.Kind == KindGap {
				continue // it was away already
			}
			c.previous.Until = c.At
		}
		latest[name], p.bySequence[c.Ref.Seq] = c, c
		p.connections = append(p.connections, c)
	}
	return p, nil
}

func (c *connection) away() bool { return c != nil && c.Kind == KindGap }

// entry returns what is shown where a connection is stored, and whether anything is: a
// gap where the bot left, and where it came back if nothing tells that it had left.
func (p *presence) entry(ctx context.Context, seq uint64) (entry Entry, show bool, err error) {
	c := p.bySequence[seq]
	switch {
	case c == nil, c.Kind == KindOnline && c.previous.away():
		return Entry{}, false, nil
	case c.Kind == KindGap:
		return c.Entry, true, nil
	}
	last, err := p.lastHeard(ctx, c)
	if err != nil || last.IsZero() {
		return c.Entry, p.q.User == "" && p.q.Grep == nil, err
	}
	return Entry{Ref: c.Ref, At: last, Stored: c.Stored, Kind: KindGap, Channel: c.Channel, Until: c.At,
		Text: "the bot did not get to record that it left"}, true, nil
}

// lastHeard returns when the bot last heard anything in a channel before a connection,
// or the zero time if it is not known to have been there.
func (p *presence) lastHeard(ctx context.Context, c *connection) (last time.Time, err error) {
	first := uint64(1)
	if c.previous != nil {
		first = c.previous.Ref.Seq
	}
	for to, size := c.Ref.Seq, uint64(firstWindow); to > first && last.IsZero(); size *= 2 {
		from := max(first, to-min(to, size))
		for e, err := range replay.Slice(ctx, p.js, streams.Cytube, subjects, from, to) {
			if err != nil {
				return last, err
			}
			if entry := newEntry(e); !entry.buffered && strings.EqualFold(entry.Channel, c.Channel) {
				last = entry.Stored
			}
		}
		to = from
	}
	return last, nil
}

// outside returns the gaps that the query's range touches and that are shown where they
// do not lie in it: those that began before it, and those that end after it.
func (p *presence) outside(ctx context.Context) (before, after []Entry, err error) {
	isBehind := func(t time.Time) bool { return !p.q.Until.IsZero() && !t.Before(p.q.Until) }
	for _, c := range p.connections {
		early, late := c.Stored.Before(p.q.Since), isBehind(c.Stored)
		if !early && !late || early && c.Kind == KindOnline || late && (c.Kind == KindGap || c.previous != nil && isBehind(c.previous.Stored)) {
			continue
		}
		gap, show, err := p.entry(ctx, c.Ref.Seq)
		switch {
		case err != nil:
			return nil, nil, err
		case !show || gap.Kind != KindGap || isBehind(gap.At) || !gap.Until.IsZero() && !gap.Until.After(p.q.Since):
		case early:
			before = append(before, gap)
		default:
			after = append(after, gap)
		}
	}
	return before, after, nil
}
