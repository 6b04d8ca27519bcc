// Package replay reads past events from the streams alone, in the order they were
// stored: as lines, as trees of cause and effect, or as a summary. It uses no durable
// consumer and changes nothing.
package replay

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

const (
	// reorderWindow is how long a live event waits for earlier ones of other
	// streams that are still on their way.
	reorderWindow = 100 * time.Millisecond
	// patience is how long the server may owe events before it is asked again.
	stallTimeout = time.Second
	// probeTimeout is how long one such question may take, and probeLimit for how
	// long they may all fail: longer than a cluster takes to choose a leader.
	probeTimeout = 5 * time.Second
	probeLimit   = 15 * time.Second
	// progressEvery is after how many events Progress is called.
	progressEvery = 8192
)

// A Query says what to read. Reading is bounded to what was stored when it
// began, unless Follow is set: then it goes on with what is stored later,
// without a gap or a repeat, until the context ends.
type Query struct {
	Filter
	Follow bool
	// Progress, if set, is called every 8192 events.
	Progress func(Progress)

	onIdle func()        // if set, is called before waiting for the server
	window time.Duration // reorderWindow unless set
}

// Progress says how far a reading is.
type Progress struct {
	Read  uint64    // events looked at
	Total uint64    // about how many there were to look at when it began
	At    time.Time // when the latest one was stored
}

// Read returns the events that a query matches, in the order they were stored,
// merged over the streams. Live events of different streams that come within a
// tenth of a second of each other are put in order; a later one is not held
// back for longer. Memory is bounded whatever the streams hold. An error ends
// the sequence: INVALID_INPUT for a query that can match nothing, NATS_ERROR
// when the streams cannot be read, or the context's own.
func Read(ctx context.Context, js jetstream.JetStream, q Query) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := q.check(); err != nil {
			yield(Event{}, err)
			return
		}
		m, err := q.open(ctx, js)
		defer m.stop()
		if err == nil {
			err = m.run(ctx, yield)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(Event{}, err)
		}
	}
}

func (q Query) check() error {
	if q.Follow && !q.Until.IsZero() {
		return event.Errorf(event.InvalidInput, "following has no end: leave out until, or do not follow")
	}
	return q.Validate()
}

// errStopped says that the caller ended the iteration.
var errStopped = errors.New("break")

// A merge reads several sources as one.
type merge struct {
	Query
	match    *matcher
	sources  []*source
	wake     chan struct{}
	progress Progress
	pending  bool      // a source has events that have not arrived
	failing  time.Time // since when every probe failed, unless zero
}

func (q Query) open(ctx context.Context, js jetstream.JetStream) (*merge, error) {
	m := &merge{Query: q, match: q.matcher(), wake: make(chan struct{}, 1)}
	if m.window == 0 {
		m.window = reorderWindow
	}
	plans, err := q.plans()
	if err != nil {
		return m, err
	}
	// All bounds are taken before the first event is read, so that they lie as
	// close together as can be.
	for _, p := range plans {
		s := &source{plan: p, js: js}
		found, err := s.open(ctx, q.Since)
		if err != nil {
			return m, err
		}
		if found && (q.Follow || s.seq < s.last) {
			m.sources = append(m.sources, s)
		}
	}
	for _, s := range m.sources {
		if err := s.create(ctx); err != nil {
			return m, err
		}
		m.progress.Total += s.ahead
	}
	for _, s := range m.sources {
		if err := s.start(m.wake); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (m *merge) stop() {
	for _, s := range m.sources {
		s.stop()
	}
}

func (m *merge) run(ctx context.Context, yield func(Event, error) bool) error {
	for {
		best, wait, err := m.pick(ctx)
		if err != nil {
			return err
		}
		if best == nil && wait == 0 {
			return nil
		}
		if wait > 0 {
			if err := m.wait(ctx, wait); err != nil {
				return err
			}
			continue
		}
		it := &best.head[0]
		if err := m.handle(ctx, best, it, yield); err != nil {
			return err
		}
	}
}

func (m *merge) handle(ctx context.Context, s *source, it *item, yield func(Event, error) bool) error {
	m.failing = time.Time{}
	m.progress.Read++
	m.progress.At = it.At
	if m.progress.Read%progressEvery == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if m.Progress != nil {
			m.Progress(m.progress)
		}
	}
	if !m.wanted(s, &it.Event) {
		s.advance()
		return nil
	}
	e := it.Event
	s.advance()
	if !yield(e, nil) {
		return errStopped
	}
	return nil
}

func (m *merge) wanted(s *source, e *Event) bool {
	if !m.Since.IsZero() && e.At.Before(m.Since) || !m.Until.IsZero() && !e.At.Before(m.Until) {
		return false
	}
	return !streams.IsFiller(e.Subject, e.Body) && (!s.plan.recheck || m.match.subject(e.Subject)) && m.match.match(e)
}

// pick returns the source whose next event is the earliest of all, or how long to
// wait before that is known; with neither, all is read.
func (m *merge) pick(ctx context.Context) (best *source, wait time.Duration, err error) {
	live := false
	m.pending = false
	var bestKey int64
	open := m.sources[:0]
	for _, s := range m.sources {
		it, more, err := s.next()
		if err == nil && it == nil && !more && !m.Follow {
			if more, err = m.probe(ctx, s); more {
				it, _, err = s.next()
			}
		}
		switch {
		case err != nil:
			return nil, 0, err
		case it != nil && m.beyond(s, it), it == nil && !more && !m.Follow:
			s.stop()
			continue
		case it == nil && more:
			m.pending = true
		case it == nil:
			live = true
		case best == nil || it.key < bestKey:
			best, bestKey = s, it.key
		}
		open = append(open, s)
	}
	m.sources = open
	switch {
	case m.pending:
		return nil, stallTimeout, nil
	case best == nil && live:
		return nil, stallTimeout, nil
	case best != nil && live:
		if held := m.window - time.Since(best.takenAt); held > 0 {
			return nil, held, nil
		}
	}
	return best, 0, nil
}

// beyond reports whether an event lies past the query's end in its stream.
func (m *merge) beyond(s *source, it *item) bool {
	if !m.Follow && it.Ref.Seq > s.last {
		return true
	}
	return !m.Until.IsZero() && it.key >= m.Until.UnixNano()
}

// wait waits for an event of a source. If none arrives within d, streams with events
// that have not arrived are asked whether they still hold them.
func (m *merge) wait(ctx context.Context, d time.Duration) error {
	if m.onIdle != nil {
		m.onIdle()
	}
	// A source with only a few events does not wake the reader, so that sources are
	// polled, with growing intervals.
	for step := time.Millisecond; d > 0; step *= 2 {
		step = min(step, d)
		timer := time.NewTimer(step)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-m.wake:
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if d -= step; m.hasNew() {
			return nil
		}
	}
	if !m.pending {
		return nil
	}
	for _, s := range m.sources {
		if it, more, _ := s.next(); it != nil || !more {
			continue
		}
		if _, err := m.probe(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (m *merge) hasNew() bool {
	return slices.ContainsFunc(m.sources, func(s *source) bool { return len(s.head) == 0 && s.hasQueued() })
}

// probe asks a source whether it has more, which it is taken to have when the server
// does not answer.
func (m *merge) probe(ctx context.Context, s *source) (more bool, err error) {
	bound := s.last
	if m.Follow {
		bound = 1<<64 - 1
	}
	probeCtx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	more, err = s.probe(probeCtx, bound)
	switch {
	case err == nil:
		m.failing = time.Time{}
		return more, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return false, err
	case !m.Follow:
		// A follower waits for the connection to come back.
		if m.failing.IsZero() {
			m.failing = time.Now()
		}
		if time.Since(m.failing) >= probeLimit {
			return false, err
		}
	}
	return true, nil
}
