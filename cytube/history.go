package cytube

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// history reads back what was recorded of a channel, with direct gets that leave
// no consumer behind.
type history struct {
	js      jetstream.JetStream
	channel string

	mu     sync.Mutex
	cytube jetstream.Stream // see stream
}

// lineKey is what makes two chat lines of a channel the same line.
type lineKey struct {
	user, text string
	action     bool
	time       int64 // ms
}

func (l *line) key() lineKey {
	return lineKey{user: l.user, text: l.text, action: l.action, time: l.time}
}

const (
	batchSize    = 500
	batchTimeout = 30 * time.Second

	// firstWindow is how far back from the stream's end the search for lines
	// begins; it goes four times farther each time.
	firstWindow = 256

	// The server's clock may be set back between two lines, and may differ from
	// that of the streams.
	clockStep = int64(time.Minute / time.Millisecond)
	clockSkew = 24 * time.Hour
)

// each hands the events of a subject that are stored from one sequence to
// another to f, in order, until f returns false. Malformed ones are passed over,
// and dead letters that are retried: they are in the stream for the second time.
func (h *history) each(ctx context.Context, subject string, from, to uint64, f func(streams.Stored) bool) error {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	for from = max(from, 1); from <= to; {
		batch, err := jetstreamext.GetBatch(ctx, h.js, streams.Cytube, batchSize,
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

func (h *history) bounds(ctx context.Context) (first, last uint64, err error) {
	s, err := h.js.Stream(ctx, streams.Cytube)
	if err != nil {
		return 0, 0, fmt.Errorf("open stream %s: %w", streams.Cytube, err)
	}
	state := s.CachedInfo().State
	return state.FirstSeq, state.LastSeq, nil
}

// back hands the events of a subject to f in windows that go back from the
// stream's end, each four times as long as the one before and in order within
// itself, until enough returns true.
func (h *history) back(ctx context.Context, subject string, f func(streams.Stored), enough func() bool) error {
	first, end, err := h.bounds(ctx)
	if err != nil {
		return err
	}
	for window := uint64(firstWindow); end >= first; window *= 4 {
		start := first
		if end-first >= window {
			start = end - window + 1
		}
		if err := h.each(ctx, subject, start, end, func(s streams.Stored) bool { f(s); return true }); err != nil {
			return err
		}
		if start == first || enough() {
			return nil
		}
		end = start - 1
	}
	return nil
}

// lines counts the channel's recorded chat lines of the server's time since (ms)
// and later. It searches backwards, because they are the latest ones.
func (h *history) lines(ctx context.Context, since int64) (map[lineKey]int, error) {
	found, done := map[lineKey]int{}, false
	oldest := time.UnixMilli(since).Add(-clockSkew)
	err := h.back(ctx, event.SubjectChat, func(s streams.Stored) {
		done = done || s.At.Before(oldest)
		chat, err := event.As[event.Chat](s.Envelope)
		if err != nil || chat.Channel != h.channel {
			return
		}
		if chat.Time >= since {
			found[lineKey{chat.User, chat.Message, string(chat.Extra["action"]) == "true", chat.Time}]++
		}
		done = done || chat.Time < since-clockStep
	}, func() bool { return done })
	return found, err
}

// erased are the fingerprints of lines that were recorded and then erased because
// somebody asked for it: they are not to be recorded again.
func (h *history) erased(ctx context.Context) (map[string]bool, error) {
	_, last, err := h.bounds(ctx)
	if err != nil {
		return nil, err
	}
	lines := map[string]bool{}
	err = h.each(ctx, event.SubjectErasure, 1, last, func(s streams.Stored) bool {
		if p, err := event.As[event.Erasure](s.Envelope); err == nil {
			for _, l := range p.Lines {
				lines[l] = true
			}
		}
		return true
	})
	return lines, err
}

// joinedBefore reports whether the bot has ever been in the channel.
func (h *history) joinedBefore(ctx context.Context) (joined bool, err error) {
	_, last, err := h.bounds(ctx)
	if err != nil {
		return false, err
	}
	err = h.each(ctx, event.SubjectConnection, 1, last, func(s streams.Stored) bool {
		c, err := event.As[event.Connection](s.Envelope)
		joined = err == nil && c.Channel == h.channel && c.State == event.StateUp
		return !joined
	})
	return joined, err
}

// playing is the last media change of the channel as playingKey has it, or "".
// Other channels' may have come since.
func (h *history) playing(ctx context.Context) (key string, err error) {
	err = h.back(ctx, event.SubjectMediaChange, func(s streams.Stored) {
		if m, err := event.As[event.MediaChange](s.Envelope); err == nil && m.Channel == h.channel {
			key = playingKey(m.Type, m.URL)
		}
	}, func() bool { return key != "" })
	return key, err
}

// unacknowledged is where to look for what a process was speaking when it died:
// the first sequence that a durable consumer has not seen acknowledged. It can lie
// well before that, because a NATS server that crashes forgets the latest. Ok is
// false when nothing was in hand, as after a process that stopped as it should.
func (h *history) unacknowledged(ctx context.Context, durable string) (from uint64, ok bool, err error) {
	c, err := h.js.Consumer(ctx, streams.Cytube, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("look up consumer %s: %w", durable, err)
	}
	info := c.CachedInfo()
	if info.NumAckPending == 0 {
		stopped, err := h.stopped(ctx)
		if err != nil || stopped {
			return 0, false, err
		}
	}
	return info.AckFloor.Stream + 1, true, nil
}

// stopped reports whether the bot's latest word on the channel is that it left
// because it stopped.
func (h *history) stopped(ctx context.Context) (stopped bool, err error) {
	found := false
	err = h.back(ctx, event.SubjectConnection, func(s streams.Stored) {
		if c, err := event.As[event.Connection](s.Envelope); err == nil && c.Channel == h.channel {
			found, stopped = true, c.State == event.StateDown && c.Reason == reasonStops
		}
	}, func() bool { return found })
	return stopped, err
}

// next is the first event of a subject at a sequence or after it. Malformed ones
// are passed over.
func (h *history) next(ctx context.Context, subject string, from uint64) (s streams.Stored, ok bool, err error) {
	stream, err := h.stream(ctx)
	if err != nil {
		return s, false, err
	}
	for {
		msg, err := stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return s, false, nil
		}
		if err != nil {
			return s, false, fmt.Errorf("read %s from %s: %w", subject, streams.Cytube, err)
		}
		if s, err := streams.ReadRaw(streams.Cytube, msg); err == nil {
			return s, true, nil
		}
		from = msg.Sequence + 1
	}
}

// delivered reports whether it is recorded that a send was not heard.
func (h *history) delivered(ctx context.Context, ref event.Ref) (delivered bool, err error) {
	_, last, err := h.bounds(ctx)
	if err != nil {
		return false, err
	}
	err = h.each(ctx, event.SubjectDelivery, ref.Seq+1, last, func(s streams.Stored) bool {
		d, err := event.As[event.Delivery](s.Envelope)
		delivered = err == nil && d.Send == ref.String()
		return !delivered
	})
	return delivered, err
}

// spoken finds which parts of a send the channel has heard, by number from 1: the
// lines recorded after it that name it as their cause, or that say the same under
// the bot's name and name nothing.
func (h *history) spoken(ctx context.Context, ref event.Ref, parts []*utterance, self string) (map[int]bool, error) {
	_, last, err := h.bounds(ctx)
	if err != nil {
		return nil, err
	}
	subject := event.SubjectChat
	if parts[0].pm {
		subject = event.SubjectPM
	}
	heard := map[int]bool{}
	err = h.each(ctx, subject, ref.Seq+1, last, func(s streams.Stored) bool {
		l, ok := lineOf(s, h.channel)
		if !ok {
			return true
		}
		cause, caused := s.Causation()
		switch {
		case caused && cause == ref:
			heard[partOf(s)] = true
		case !caused && l.user == self:
			for _, u := range parts {
				if !heard[u.part] && u.is(l) {
					heard[u.part] = true
					break
				}
			}
		}
		return true
	})
	return heard, err
}

func lineOf(s streams.Stored, channel string) (*line, bool) {
	if s.Subject == event.SubjectPM {
		p, err := event.As[event.PM](s.Envelope)
		return &line{pm: true, user: p.User, to: p.To, text: p.Message, time: p.Time}, err == nil && p.Channel == channel
	}
	c, err := event.As[event.Chat](s.Envelope)
	return &line{user: c.User, text: c.Message, action: string(c.Extra["action"]) == "true", time: c.Time}, err == nil && c.Channel == channel
}

// partOf is an echo's metadata.part; 1 when it has none.
func partOf(s streams.Stored) int {
	n, err := strconv.Atoi(fmt.Sprint(s.Metadata[event.MetaPart]))
	if err != nil {
		return 1
	}
	return n
}
