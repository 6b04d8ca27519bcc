// Package history reads back what was recorded of a channel. It leaves no consumer
// behind.
package history

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Reader reads the stream CYTUBE for one channel. It is safe for concurrent use.
type Reader struct {
	js      jetstream.JetStream
	channel string

	mu     sync.Mutex
	cytube jetstream.Stream // see stream
}

// New returns a Reader for a channel, which is in lower case.
func New(js jetstream.JetStream, channel string) *Reader { return &Reader{js: js, channel: channel} }

const (
	batchSize    = 500
	batchTimeout = 30 * time.Second

	// firstWindow is how many sequences back from the stream's end a search begins;
	// each further window is four times as long.
	firstWindow = 256

	// The server's clock may be set back between two lines, and may differ from that
	// of the streams.
	clockStep = int64(time.Minute / time.Millisecond)
	clockSkew = 24 * time.Hour
)

// each calls f for the events of a subject from one sequence to another, in order,
// until f returns false. It passes over malformed events and retried dead letters:
// these are in the stream a second time.
func (r *Reader) each(ctx context.Context, subject string, from, to uint64, f func(streams.Stored) bool) error {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	for from = max(from, 1); from <= to; {
		batch, err := jetstreamext.GetBatch(ctx, r.js, streams.Cytube, batchSize,
			jetstreamext.GetBatchSubject(subject), jetstreamext.GetBatchSeq(from))
		if err != nil {
			return fmt.Errorf("read %s from %s: %w", subject, streams.Cytube, err)
		}
		before := from
		for msg, err := range batch {
			if errors.Is(err, jetstreamext.ErrNoMessages) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("read %s from %s: %w", subject, streams.Cytube, err)
			}
			if msg.Sequence > to {
				return nil
			}
			from = msg.Sequence + 1
			if s, err := streams.ReadRaw(streams.Cytube, msg); err == nil && s.Meta(event.MetaRetryFor) == "" && !f(s) {
				return nil
			}
		}
		if from == before {
			return fmt.Errorf("read %s from %s: the server sent nothing", subject, streams.Cytube)
		}
	}
	return nil
}

func (r *Reader) bounds(ctx context.Context) (first, last uint64, err error) {
	s, err := r.js.Stream(ctx, streams.Cytube)
	if err != nil {
		return 0, 0, fmt.Errorf("open stream %s: %w", streams.Cytube, err)
	}
	state := s.CachedInfo().State
	return state.FirstSeq, state.LastSeq, nil
}

// Since calls f for the events of a subject from a sequence on, in order, until f returns
// false.
func (r *Reader) Since(ctx context.Context, subject string, from uint64, f func(streams.Stored) bool) error {
	_, last, err := r.bounds(ctx)
	if err != nil {
		return err
	}
	return r.each(ctx, subject, from, last, f)
}

// back calls f for the events of a subject in windows that go back from the stream's
// end, in order within each, until enough returns true after a window.
func (r *Reader) back(ctx context.Context, subject string, f func(streams.Stored), enough func() bool) error {
	first, end, err := r.bounds(ctx)
	if err != nil {
		return err
	}
	for window := uint64(firstWindow); end >= first; window *= 4 {
		start := first
		if end-first >= window {
			start = end - window + 1
		}
		if err := r.each(ctx, subject, start, end, func(s streams.Stored) bool { f(s); return true }); err != nil {
			return err
		}
		if start == first || enough() {
			return nil
		}
		end = start - 1
	}
	return nil
}

// Lines counts, by key, the channel's chat lines of the server's time since (ms) and
// later. It searches backwards, because they are the latest.
func (r *Reader) Lines(ctx context.Context, since int64) (map[channel.LineKey]int, error) {
	found, done := map[channel.LineKey]int{}, false
	oldest := time.UnixMilli(since).Add(-clockSkew)
	err := r.back(ctx, event.SubjectChat, func(s streams.Stored) {
		done = done || s.At.Before(oldest)
		l, ok := r.line(s)
		if !ok {
			return
		}
		if l.Time >= since {
			found[l.Key()]++
		}
		done = done || l.Time < since-clockStep
	}, func() bool { return done })
	return found, err
}

// line is the line that an event of the channel records.
func (r *Reader) line(s streams.Stored) (*channel.Line, bool) {
	if s.Subject == event.SubjectPM {
		p, err := event.As[event.PM](s.Envelope)
		return &channel.Line{PM: true, User: p.User, To: p.To, Text: p.Message, Time: p.Time}, err == nil && p.Channel == r.channel
	}
	c, err := event.As[event.Chat](s.Envelope)
	return &channel.Line{
		User: c.User, Text: c.Message, Action: string(c.Extra["action"]) == "true", Time: c.Time,
	}, err == nil && c.Channel == r.channel
}

// Erased returns the fingerprints of the lines that were erased on request, in any
// channel: they must not be recorded again.
func (r *Reader) Erased(ctx context.Context) (map[string]bool, error) {
	lines := map[string]bool{}
	err := r.Since(ctx, event.SubjectErasure, 1, func(s streams.Stored) bool {
		if p, err := event.As[event.Erasure](s.Envelope); err == nil {
			for _, l := range p.Lines {
				lines[l] = true
			}
		}
		return true
	})
	return lines, err
}

// LastConnection returns the latest event about the bot's connection to the channel,
// or the zero Connection.
func (r *Reader) LastConnection(ctx context.Context) (last event.Connection, err error) {
	err = r.back(ctx, event.SubjectConnection, func(s streams.Stored) {
		if c, err := event.As[event.Connection](s.Envelope); err == nil && c.Channel == r.channel {
			last = c
		}
	}, func() bool { return last.Channel != "" })
	return last, err
}

// LastMedia returns the latest media change of the channel, or the zero MediaChange.
func (r *Reader) LastMedia(ctx context.Context) (last event.MediaChange, err error) {
	err = r.back(ctx, event.SubjectMediaChange, func(s streams.Stored) {
		if m, err := event.As[event.MediaChange](s.Envelope); err == nil && m.Channel == r.channel {
			last = m
		}
	}, func() bool { return last.Channel != "" })
	return last, err
}

// Echo is a recorded line that may be the echo of a send.
type Echo struct {
	*channel.Line
	Cause event.Ref // of the line, zero if it names none
	Part  int       // of the cause, from 1
}

// Echoes returns the chat lines, or private messages, recorded after a send that name
// it as their cause or name none.
func (r *Reader) Echoes(ctx context.Context, send event.Ref, pm bool) (list []Echo, err error) {
	subject := event.SubjectChat
	if pm {
		subject = event.SubjectPM
	}
	err = r.Since(ctx, subject, send.Seq+1, func(s streams.Stored) bool {
		l, ok := r.line(s)
		if cause, caused := s.Causation(); ok && (!caused || cause == send) {
			list = append(list, Echo{Line: l, Cause: cause, Part: partOf(s)})
		}
		return true
	})
	return list, err
}

// partOf returns an echo's metadata.part, 1 if it has none.
func partOf(s streams.Stored) int {
	n, err := strconv.Atoi(fmt.Sprint(s.Metadata[event.MetaPart]))
	if err != nil {
		return 1
	}
	return n
}
