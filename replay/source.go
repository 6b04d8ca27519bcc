package replay

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

const (
	// aheadEvents and aheadBytes limit how much of one stream is read ahead, in chunks.
	aheadEvents = aheadChunks * chunkEvents
	aheadBytes  = 8 << 20
	aheadChunks = 16
	chunkEvents = 256
	// pullMessages is how many messages a consumer asks for at once; by default it asks for 500.
	pullMessages = 4096
	// stallTimeout is for how long a consumer may send nothing.
	stallTimeout = time.Second
	// clockStep is how much earlier than the event before it in its stream an event must
	// be stored to show that the server's clock was set back. Clocks of a cluster's
	// servers differ by less.
	clockStep = 10 * time.Second
	// electionTimeout limits for how long a stream may be without a leader.
	electionTimeout = 15 * time.Second
)

// An item is an event on its way from a stream to the merge. Key orders it among the
// events of other streams: its stored time, or an earlier one of an event soon after it
// in the stream, as then the server's clock was ahead. Within a stream events come in
// the order of their sequences, whatever their times.
type item struct {
	Event
	key time.Time
}

// A source reads one stream in order, ahead of its user.
type source struct {
	plan
	js   jetstream.JetStream
	next uint64 // sequence of the event to go on from
	last uint64 // the stream's last sequence when the read began
	wake chan<- struct{}

	chunk []item    // not sent yet
	size  int       // of its bodies, in bytes
	at    time.Time // when the last event was stored

	chunks chan []item // closed at the end
	live   atomic.Bool // all up to last is in chunks
	err    error       // why chunks was closed before the end

	// These belong to the merge.
	head    []item
	takenAt time.Time // when head came
	passed  uint64    // sequence of the last event that was used
}

// run reads until all up to last is read, or, following, until ctx ends.
func (s *source) run(ctx context.Context, follow bool) {
	defer notify(s.wake)
	defer close(s.chunks)
	// A cluster that elects a leader does not answer for some seconds.
	s.err = retry.Do(ctx, jsapi.RetryUnavailable(electionTimeout, nil), s.readStored)
	if s.err != nil || !follow {
		return
	}
	s.live.Store(true)
	if !s.send(ctx) {
		return
	}
	s.err = tail(ctx, s.js, s.stream, s.filters(), s.last, func(e Event, _ uint64) bool { return s.add(ctx, e) && s.send(ctx) })
}

// readStored sends what was stored when the read began. It goes on where it failed.
//
// An ordered consumer reads some two times as fast as direct gets (BenchmarkScan), but
// cannot tell that it has read everything: its count may include deleted events, and on
// a cluster its server may lag. Messages reads the rest and asks the leader.
func (s *source) readStored(ctx context.Context) error {
	if s.next+chunkEvents < s.last {
		s.consume(ctx)
	}
	if s.next <= s.last { // Messages takes a To of 0 for no bound
		for raw, err := range streams.Messages(ctx, s.js, streams.Selection{Stream: s.stream, Subjects: s.filters(), From: s.next, To: s.last}) {
			if err != nil {
				return err
			}
			if !s.add(ctx, NewEvent(s.stream, raw)) {
				return ctx.Err()
			}
		}
	}
	s.send(ctx)
	return ctx.Err()
}

// consume reads with an ordered consumer until it has no more, stalls or fails.
func (s *source) consume(ctx context.Context) {
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	var read atomic.Int64 // events; negative while the reader waits for its user
	go stopStalled(consuming, stop, &read)
	n := int64(0)
	_ = tail(consuming, s.js, s.stream, s.filters(), s.next-1, func(e Event, pending uint64) bool {
		read.Store(-1)
		ok := e.Ref.Seq <= s.last && s.add(ctx, e)
		n++
		read.Store(n)
		return ok && e.Ref.Seq < s.last && pending > 0
	})
}

// stopStalled calls stop when nothing is read for stallTimeout or twice that, until ctx
// ends. A timer that each event sets anew would cost a tenth of the reading.
func stopStalled(ctx context.Context, stop func(), read *atomic.Int64) {
	for seen := int64(-1); retry.Sleep(ctx, stallTimeout) == nil; {
		n := read.Load()
		if n >= 0 && n == seen {
			stop()
		}
		seen = n
	}
}

// add adds an event to the chunk, which it sends once it is full.
func (s *source) add(ctx context.Context, e Event) bool {
	if back := s.at.Sub(e.At); back >= clockStep {
		e.ClockStep = -back
	}
	s.next, s.at = e.Ref.Seq+1, e.At
	if streams.IsFiller(e.Subject, e.Body) || !s.selects(e.Subject) {
		return true
	}
	first := s.chunk == nil
	s.chunk, s.size = append(s.chunk, item{e, e.At}), s.size+len(e.Body)
	if first || len(s.chunk) >= chunkEvents || s.size >= aheadBytes/aheadChunks {
		return s.send(ctx)
	}
	return true
}

// send waits until there is room for the chunk; false when ctx ends before.
func (s *source) send(ctx context.Context) bool {
	for i := len(s.chunk) - 2; i >= 0; i-- {
		if next := s.chunk[i+1].key; next.Before(s.chunk[i].key) {
			s.chunk[i].key = next
		}
	}
	select {
	case s.chunks <- s.chunk:
		s.chunk, s.size = make([]item, 0, len(s.chunk)), 0
		notify(s.wake)
		return true
	case <-ctx.Done():
		return false
	}
}

// notify signals c without blocking.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// A plan is a query's selection from one stream.
type plan struct {
	stream   string
	patterns []string // of which a subject must match one; they may overlap
}

// selects reports whether the query wants an event of the stream by its subject.
func (p plan) selects(subject string) bool { return matchesAny(p.patterns, subject) }

// filters returns the patterns for the server: a direct get takes one pattern, and to
// read a stream once is faster than once for each.
func (p plan) filters() []string {
	if len(p.patterns) > 1 {
		return nil
	}
	return p.patterns
}

// plans returns the selection from each stream that can hold a match, in the
// topology's order.
func (f Filter) plans() ([]plan, error) {
	patterns := f.Subjects
	if len(patterns) == 0 {
		patterns = f.likely()
	}
	wanted := map[string][]string{}
	for _, p := range patterns {
		found, err := streams.Overlapping(p)
		if err != nil {
			return nil, err
		}
		for stream, filters := range found {
			wanted[stream] = append(wanted[stream], filters...)
		}
	}
	var plans []plan
	for _, spec := range streams.Specs() {
		if len(wanted[spec.Name]) > 0 {
			plans = append(plans, plan{spec.Name, wanted[spec.Name]})
		}
	}
	return plans, nil
}

// likely returns the subjects that can match the filter's other fields.
func (f Filter) likely() []string {
	switch {
	case f.Plugin != "":
		return []string{"plugin." + f.Plugin + ".>", event.AllSends, event.RequestSubject("*"), event.RequestSubject("*", ">"), event.AllDatabase}
	case f.User != "" || f.Channel != "":
		return []string{event.AllCytube, event.AllPlugin}
	}
	return []string{">"}
}

func matchesAny(patterns []string, subject string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return event.Match(p, subject) })
}
