package replay

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

const (
	// aheadEvents and aheadBytes limit how much of one stream is read ahead.
	aheadEvents = 4096
	aheadBytes  = 8 << 20
	// pullEvents is the size of a pull request. A small one lets the first event of
	// each stream arrive early: the merge cannot begin before.
	pullEvents = 500
	// wakeEvents is how many events are queued before the reader is woken, unless
	// there are no more: waking it for each costs more than reading it.
	wakeEvents = 64
)

// An item is an event on its way from a stream to the merge. Key is its stored
// time in ns, but never less than that of the event before it in the stream, so
// that a server's clock that was set back does not turn a stream's order round.
type item struct {
	Event
	key int64
}

// A source reads one stream in order, ahead of its user, with an ordered
// consumer. Its methods but receive belong to one goroutine.
type source struct {
	plan   plan
	js     jetstream.JetStream
	stream jetstream.Stream
	last   uint64          // the stream's last sequence when the read began
	wake   chan<- struct{} // woken by an event after there was none

	consumer jetstream.Consumer
	running  jetstream.ConsumeContext
	stopped  chan struct{}
	drained  chan struct{} // signalled when the queue was taken

	head    []item // what was taken from the queue and not used yet
	used    []item // the spent slice, to be filled again
	takenAt time.Time

	mu        sync.Mutex
	queue     []item
	bytes     int
	key       int64
	seq       uint64 // of the last event received, or the one before the first that is wanted
	ahead     uint64 // how many more the server says there are
	lagging   bool   // the consumer said that there are none
	delivered bool   // that there are events at all
	failure   error
}

// open finds the stream's bounds; reading begins at since unless that is zero. Found is
// false when the stream does not exist.
func (s *source) open(ctx context.Context, since time.Time) (found bool, err error) {
	s.stream, err = s.js.Stream(ctx, s.plan.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, event.Errorf(event.NATSError, "look at stream %s: %w", s.plan.stream, err)
	}
	s.last = s.stream.CachedInfo().State.LastSeq
	if !since.IsZero() {
		first, err := streams.SequenceSince(ctx, s.js, s.stream, since)
		if err != nil {
			return false, event.Errorf(event.NATSError, "read stream %s: %w", s.plan.stream, err)
		}
		s.seq = first - 1
	}
	return true, nil
}

// create makes the consumer, of what comes after the last event received. It does
// not send anything yet.
func (s *source) create(ctx context.Context) (err error) {
	s.consumer, err = s.js.OrderedConsumer(ctx, s.plan.stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: s.plan.filters, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: s.seq + 1,
	})
	if err != nil {
		return event.Errorf(event.NATSError, "read stream %s: %w", s.plan.stream, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead, s.lagging = s.consumer.CachedInfo().NumPending, false
	return nil
}

// start begins to read.
func (s *source) start(wake chan<- struct{}) (err error) {
	s.wake = wake
	s.stopped = make(chan struct{})
	s.drained = make(chan struct{}, 1)
	s.running, err = s.consumer.Consume(s.receive,
		jetstream.PullMaxMessages(pullEvents), jetstream.ConsumeErrHandler(s.failed))
	if err != nil {
		return event.Errorf(event.NATSError, "read stream %s: %w", s.plan.stream, err)
	}
	return nil
}

// receive queues a message, and blocks the consumer while the queue is full.
func (s *source) receive(msg jetstream.Msg) {
	e, meta, err := received(s.plan.stream, msg)
	if err != nil {
		return // not a message of a stream
	}
	s.mu.Lock()
	if e.Ref.Seq <= s.seq { // of the consumer before this one
		s.mu.Unlock()
		return
	}
	s.key = max(s.key, meta.Timestamp.UnixNano())
	s.seq, s.ahead, s.lagging = e.Ref.Seq, meta.NumPending, false
	s.queue = append(s.queue, item{e, s.key})
	s.bytes += len(msg.Data())
	news := len(s.queue) == wakeEvents || s.ahead == 0 || !s.delivered
	full := len(s.queue) >= aheadEvents || s.bytes >= aheadBytes
	s.delivered = true
	s.mu.Unlock()
	if news || full {
		notify(s.wake)
	}
	for full {
		select {
		case <-s.stopped:
			return
		case <-s.drained:
		}
		s.mu.Lock()
		full = len(s.queue) >= aheadEvents || s.bytes >= aheadBytes
		s.mu.Unlock()
	}
}

// failed handles the consumer's errors. It recovers from most of them by itself; only a
// closed connection is final.
func (s *source) failed(_ jetstream.ConsumeContext, err error) {
	if !errors.Is(err, jetstream.ErrConnectionClosed) {
		return
	}
	s.mu.Lock()
	s.failure = event.Errorf(event.NATSError, "read stream %s: %w", s.plan.stream, err)
	s.mu.Unlock()
	notify(s.wake)
}

// next returns the stream's next event, or nil if none has arrived, and whether the
// server has more: without either, all is read.
func (s *source) next() (it *item, more bool, err error) {
	if len(s.head) > 0 {
		return &s.head[0], true, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, s.ahead > 0, s.failure
	}
	clear(s.used)
	s.head, s.queue, s.used = s.queue, s.used[:0], s.queue
	s.bytes = 0
	s.takenAt = time.Now()
	notify(s.drained)
	return &s.head[0], true, nil
}

// news reports whether an event has come since next had none.
func (s *source) hasQueued() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) > 0
}

// advance passes over the event that next returned.
func (s *source) advance() { s.head = s.head[1:] }

// probe asks the stream's leader whether it holds more events up to the bound. The
// consumer's count cannot be relied on: it may include deleted events, and on a cluster
// the consumer's server may lag. A consumer that lags twice in a row is replaced.
func (s *source) probe(ctx context.Context, bound uint64) (more bool, err error) {
	s.mu.Lock()
	after := s.seq
	s.mu.Unlock()
	if after < bound {
		more, err = streams.Selection{Stream: s.plan.stream, Subjects: s.plan.filters}.Holds(ctx, s.js, after+1, bound)
		if err != nil {
			return false, event.Errorf(event.NATSError, "read stream %s: %w", s.plan.stream, err)
		}
	}
	s.mu.Lock()
	came, lagged := s.seq != after || len(s.queue) > 0, s.lagging
	switch {
	case came:
	case !more:
		s.ahead = 0
	case s.ahead == 0:
		s.ahead, s.lagging = 1, true
	}
	s.mu.Unlock()
	if more && lagged && !came {
		return true, s.move(ctx)
	}
	return more || came, nil
}

// move continues with a new consumer, which may be on another server.
func (s *source) move(ctx context.Context) error {
	s.stop()
	if err := s.create(ctx); err != nil {
		return err
	}
	return s.start(s.wake)
}

// stop ends the reading and deletes the consumer.
func (s *source) stop() {
	if s.consumer == nil {
		return
	}
	defer func() { s.consumer = nil }()
	if s.running != nil {
		close(s.stopped)
		s.running.Stop()
		<-s.running.Closed()
	}
	_ = streams.Discard(context.Background(), s.js, s.consumer) // else the server does, minutes later
}

// notify signals c without blocking.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
