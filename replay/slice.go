package replay

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

const (
	// sliceBatch is how many events one direct get asks for, and sliceBytes how
	// large they may be together.
	sliceBatch = 1000
	sliceBytes = 4 << 20
	// A server of a cluster that lags is given sliceWait to catch up, or another
	// one to answer, and asked every sliceAgain.
	sliceWait  = 15 * time.Second
	sliceAgain = 50 * time.Millisecond
)

// Slice returns the events of one stream whose sequences lie in [from, to) and
// whose subjects match one of the patterns, in their order. However long the
// stream is, nothing before from is read, and no consumer is made. The error
// that ends it is a NATS_ERROR or the context's own.
func Slice(ctx context.Context, js jetstream.JetStream, stream string, patterns []string, from, to uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		var waiting time.Time // since when the servers that answer have had nothing
		for from = max(from, 1); from < to; {
			next, ok := sliceOnce(ctx, js, stream, patterns, from, to, yield)
			if !ok {
				return
			}
			if next > from {
				from, waiting = next, time.Time{}
				continue
			}
			// Any server answers, and only the leader knows all that was acknowledged.
			more, err := streams.Selection{Stream: stream, Subjects: patterns}.Holds(ctx, js, from, to-1)
			if waiting.IsZero() {
				waiting = time.Now()
			}
			if err == nil && more && time.Since(waiting) > sliceWait {
				err = errors.New("the servers of the cluster that answer lag behind its leader")
			}
			if err != nil {
				yield(Event{}, event.Errorf(event.NATSError, "read stream %s: %w", stream, err))
			}
			if err != nil || !more {
				return
			}
			select {
			case <-ctx.Done():
				yield(Event{}, ctx.Err())
				return
			case <-time.After(sliceAgain):
			}
		}
	}
}

// sliceOnce reads what one direct get yields. Next is where to go on, which is from
// when it yields nothing; ok is false when no more is wanted.
func sliceOnce(ctx context.Context, js jetstream.JetStream, stream string, patterns []string, from, to uint64, yield func(Event, error) bool) (next uint64, ok bool) {
	n := int(min(to-from, sliceBatch))
	batch, err := jetstreamext.GetBatch(ctx, js, stream, n, jetstreamext.GetBatchSeq(from), jetstreamext.GetBatchMaxBytes(sliceBytes))
	if err != nil {
		yield(Event{}, event.Errorf(event.NATSError, "read stream %s: %w", stream, err))
		return 0, false
	}
	next = from
	for raw, err := range batch {
		switch {
		case errors.Is(err, jetstreamext.ErrNoMessages):
			return next, true
		case ctx.Err() != nil:
			yield(Event{}, ctx.Err())
			return 0, false
		case err != nil:
			yield(Event{}, event.Errorf(event.NATSError, "read stream %s: %w", stream, err))
			return 0, false
		case raw.Sequence >= to:
			return 0, false
		}
		next = raw.Sequence + 1
		if !slices.ContainsFunc(patterns, func(p string) bool { return event.Match(p, raw.Subject) }) {
			continue
		}
		if !yield(Event{Ref: event.Ref{Stream: stream, Seq: raw.Sequence}, At: raw.Time, Subject: raw.Subject, Header: raw.Header, Body: raw.Data}, nil) {
			return 0, false
		}
	}
	return next, true
}

// Bounds are the sequences of the oldest and the latest event that a stream
// holds; first is greater than last when it holds none.
func Bounds(ctx context.Context, js jetstream.JetStream, stream string) (first, last uint64, err error) {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return 0, 0, event.Errorf(event.NATSError, "look at stream %s: %w", stream, err)
	}
	state := s.CachedInfo().State
	return state.FirstSeq, state.LastSeq, nil
}

// SequenceAt is streams.SequenceSince of a stream that is named; its errors are
// NATS_ERRORs.
func SequenceAt(ctx context.Context, js jetstream.JetStream, stream string, t time.Time) (uint64, error) {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return 0, event.Errorf(event.NATSError, "look at stream %s: %w", stream, err)
	}
	seq, err := streams.SequenceSince(ctx, js, s, t)
	if err != nil {
		return 0, event.Errorf(event.NATSError, "read stream %s: %w", stream, err)
	}
	return seq, nil
}

// Tail returns the events of one stream that come after a sequence and whose
// subjects match one of the patterns, and goes on with what is stored later,
// without a gap or a repeat, until the context ends. It reads no faster than it
// is asked to. The error that ends it is a NATS_ERROR or the context's own.
func Tail(ctx context.Context, js jetstream.JetStream, stream string, patterns []string, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s := &source{plan: plan{stream: stream, filters: patterns}, js: js}
		var err error
		s.consumer, err = js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
			FilterSubjects: patterns, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
		})
		if err != nil {
			yield(Event{}, event.Errorf(event.NATSError, "read stream %s: %w", stream, err))
			return
		}
		defer s.stop()
		messages, err := s.consumer.Messages(jetstream.PullMaxMessages(pullEvents))
		if err != nil {
			yield(Event{}, event.Errorf(event.NATSError, "read stream %s: %w", stream, err))
			return
		}
		defer messages.Stop()
		for {
			msg, err := messages.Next(jetstream.NextContext(ctx))
			if err != nil {
				if ctx.Err() == nil {
					err = event.Errorf(event.NATSError, "read stream %s: %w", stream, err)
				}
				yield(Event{}, err)
				return
			}
			meta, err := msg.Metadata()
			if err != nil {
				yield(Event{}, event.Errorf(event.NATSError, "read stream %s: %w", stream, err))
				return
			}
			if !yield(Event{Ref: event.Ref{Stream: stream, Seq: meta.Sequence.Stream}, At: meta.Timestamp, Subject: msg.Subject(), Header: msg.Headers(), Body: msg.Data()}, nil) {
				return
			}
		}
	}
}
