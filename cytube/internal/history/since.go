package history

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Since returns the events of the channel from the one at a sequence on, for at most so
// long, without what was said and what was sent.
func (r *Reader) Since(ctx context.Context, from uint64, span time.Duration) (list []streams.Stored, err error) {
	var until time.Time
	for s, err := range r.Events(ctx, event.AllCytube, from, 0) {
		if err != nil {
			return nil, err
		}
		if until.IsZero() {
			until = s.At.Add(span)
		}
		if s.At.After(until) {
			break
		}
		switch {
		case s.Subject == event.SubjectChat, s.Subject == event.SubjectPM, event.Match(event.AllSends, s.Subject), event.Match(event.AllOutboxes, s.Subject):
		case r.isHere(s):
			list = append(list, s)
		}
	}
	return list, nil
}

// isHere reports whether an event is of the channel.
func (r *Reader) isHere(s streams.Stored) bool {
	var p struct{ Channel string }
	return json.Unmarshal(s.Data, &p) == nil && p.Channel == r.channel
}

// LastUID returns the highest uid of the channel's playlist that was recorded before a
// sequence since the bot joined the channel, -1 if none was.
func (r *Reader) LastUID(ctx context.Context, before uint64) (int, error) {
	last := -1
	for w, err := range r.windows(ctx) {
		if err != nil {
			return -1, err
		}
		if w.from >= before {
			continue
		}
		joined := false
		for s, err := range r.events(ctx, []string{event.SubjectMediaQueue, event.SubjectMediaShuffle, event.SubjectConnection}, w.from, min(w.to, before-1)) {
			if err != nil {
				return -1, err
			}
			if !r.isHere(s) {
				continue
			}
			uid, joins := uidOf(s)
			if joins {
				joined, last = true, -1
			}
			last = max(last, uid)
		}
		if joined || last >= 0 {
			return last, nil
		}
	}
	return last, nil
}

// uidOf returns the highest uid that an event names, and whether the bot joined.
func uidOf(s streams.Stored) (uid int, joins bool) {
	switch s.Subject {
	case event.SubjectMediaQueue:
		if q, err := event.As[event.MediaQueue](s.Envelope); err == nil {
			return q.UID, false
		}
	case event.SubjectMediaShuffle:
		uid = -1
		if m, err := event.As[event.MediaShuffle](s.Envelope); err == nil {
			for _, u := range m.UIDs {
				uid = max(uid, u)
			}
		}
		return uid, false
	default:
		c, err := event.As[event.Connection](s.Envelope)
		if err == nil && c.State == event.StateUp && json.Unmarshal(c.Extra["last_uid"], &uid) == nil {
			return uid, true
		}
	}
	return -1, false
}
