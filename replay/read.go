// Package replay reads past events from the streams alone, in the order they were
// stored: as lines, as trees of cause and effect, or as a summary. It uses no durable
// consumer and changes nothing.
package replay

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

const (
	// reorderWindow is how long a live event waits for earlier ones of other
	// streams that are still on their way.
	reorderWindow = 100 * time.Millisecond
	// progressEvery is after how many events Progress is called.
	progressEvery = 8192
	// searchMargin is how many events before the sequence that the server names for a
	// time are read, too: it searches as if the times of events rose with their sequences.
	searchMargin = 1024
)

// A Query says what to read. Reading is bounded to what was stored when it
// began, unless Follow is set: then it goes on with what is stored later,
// without a gap or a repeat, until the context ends.
type Query struct {
	Filter
	Follow bool
	// Progress, if set, is called every 8192 events.
	Progress func(Progress)

	nearby bool          // read no further than the server's search for Until says
	onIdle func()        // if set, is called before waiting for the server
	window time.Duration // reorderWindow unless set
}

// Progress says how far a reading is.
type Progress struct {
	Read  uint64    // events looked at or passed over
	Total uint64    // about how many there were when it began
	At    time.Time // when the latest one was stored
}

// Read returns the events that a query matches, merged over the streams: those of a
// stream in the order of their sequences, those of different streams by the time when
// they were stored. Since names the sequence to begin at, and the time of each event
// from there on is compared with both bounds: a clock that was ahead for a while hides
// nothing (see Event.ClockStep). A query with Until therefore reads on to the end of the
// streams. Live events of different streams that come within a
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
		reading, cancel := context.WithCancel(ctx)
		m := &merge{Query: q, match: q.matcher(), wake: make(chan struct{}, 1)}
		defer m.running.Wait()
		defer cancel()
		err := m.open(reading, js)
		for s := (*source)(nil); err == nil; {
			if s, err = m.next(ctx); err != nil || s == nil {
				break
			}
			e := s.head[0].Event
			s.head = s.head[1:]
			if err = m.count(ctx, s, &e); err == nil && m.wanted(&e) && !yield(e, nil) {
				return
			}
		}
		if err != nil {
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

// A merge reads several sources as one.
type merge struct {
	Query
	match    *matcher
	sources  []*source // those that have not ended
	running  sync.WaitGroup
	wake     chan struct{} // signalled when a source has more, or ends
	progress Progress
	seen     uint64 // events
}

// open starts to read. It takes all bounds before the first event is read, so that
// they lie as close together as can be.
func (m *merge) open(ctx context.Context, js jetstream.JetStream) error {
	plans, err := m.plans()
	if err != nil {
		return err
	}
	for _, p := range plans {
		stream, err := js.Stream(ctx, p.stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return readError(ctx, p.stream, err)
		}
		state := stream.CachedInfo().State
		s := &source{plan: p, js: js, wake: m.wake, chunks: make(chan []item, aheadChunks), next: max(state.FirstSeq, 1), last: state.LastSeq}
		if !m.Since.IsZero() {
			seq, err := streams.SequenceSince(ctx, js, stream, m.Since)
			if err != nil {
				return readError(ctx, p.stream, err)
			}
			s.next = max(s.next, seq-min(seq, searchMargin))
		}
		if m.nearby && !m.Until.IsZero() {
			seq, err := streams.SequenceSince(ctx, js, stream, m.Until)
			if err != nil {
				return readError(ctx, p.stream, err)
			}
			s.last = min(s.last, seq+searchMargin)
		}
		s.passed = s.next - 1
		if m.Follow || s.next <= s.last {
			m.progress.Total += max(s.last, s.passed) - s.passed
			m.sources = append(m.sources, s)
		}
	}
	for _, s := range m.sources {
		m.running.Go(func() { s.run(ctx, m.Follow) })
	}
	return nil
}

// next returns the source with the earliest event, or nil when all is read.
func (m *merge) next(ctx context.Context) (*source, error) {
	for {
		var best *source
		waiting := false // for what is not stored yet
		open := m.sources[:0]
		for _, s := range m.sources {
			more, err := m.fill(ctx, s)
			switch {
			case err != nil:
				return nil, err
			case !more:
				continue
			case len(s.head) == 0:
				waiting = true
			case best == nil || s.head[0].key.Before(best.head[0].key):
				best = s
			}
			open = append(open, s)
		}
		m.sources = open
		if !waiting {
			return best, nil
		}
		var due <-chan time.Time
		if best != nil {
			held := cmp.Or(m.window, reorderWindow) - time.Since(best.takenAt)
			if held <= 0 {
				return best, nil
			}
			due = time.After(held)
		}
		m.idle()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-m.wake:
		case <-due:
		}
	}
}

// fill takes the next events of a source that has none left, and reports whether it has
// or may get more. It waits for what was stored when the read began, and not for what
// is stored later.
func (m *merge) fill(ctx context.Context, s *source) (more bool, err error) {
	for more = true; more && len(s.head) == 0; {
		live := s.live.Load() // before the look at what was sent before
		select {
		case s.head, more = <-s.chunks:
		default:
			if live {
				return true, nil
			}
			m.idle()
			select {
			case s.head, more = <-s.chunks:
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}
		s.takenAt = time.Now()
	}
	if !more && s.err != nil {
		return false, readError(ctx, s.stream, s.err)
	}
	return more, nil
}

func (m *merge) idle() {
	if m.onIdle != nil {
		m.onIdle()
	}
}

// count counts an event, and calls Progress every now and then.
func (m *merge) count(ctx context.Context, s *source, e *Event) error {
	m.seen++
	m.progress.Read, m.progress.At = m.progress.Read+e.Ref.Seq-s.passed, e.At
	s.passed = e.Ref.Seq
	if m.seen%progressEvery != 0 {
		return nil
	}
	if m.Progress != nil {
		m.Progress(m.progress)
	}
	return ctx.Err()
}

func (m *merge) wanted(e *Event) bool {
	return !e.At.Before(m.Since) && (m.Until.IsZero() || e.At.Before(m.Until)) && m.match.match(e)
}
