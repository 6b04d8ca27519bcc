package replay

import (
	"context"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Slice returns the events of one stream whose sequences lie in [from, to) and whose
// subjects match one of the patterns, in their order, without reading what lies
// outside. The error that ends it is a NATS_ERROR or the context's own.
func Slice(ctx context.Context, js jetstream.JetStream, stream string, patterns []string, from, to uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if from = max(from, 1); from >= to {
			return
		}
		// One direct get has one pattern: to read all is faster than a get for each.
		for raw, err := range streams.Messages(ctx, js, streams.Selection{Stream: stream, From: from, To: to - 1}) {
			switch {
			case err != nil:
				yield(Event{}, readError(ctx, stream, err))
				return
			case !matchesAny(patterns, raw.Subject):
			case !yield(NewEvent(stream, raw), nil):
				return
			}
		}
	}
}

// readError returns the context's error if ctx has ended, and else err as a NATS_ERROR.
func readError(ctx context.Context, stream string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return event.Errorf(event.NATSError, "read stream %s: %w", stream, err)
}

// Tail returns the events of one stream that come after a sequence and whose
// subjects match one of the patterns, and goes on with what is stored later,
// without a gap or a repeat, until the context ends. It reads no faster than its
// caller. The error that ends it is a NATS_ERROR or the context's own.
func Tail(ctx context.Context, js jetstream.JetStream, stream string, patterns []string, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := tail(ctx, js, stream, patterns, after, func(e Event, _ uint64) bool { return streams.IsFiller(e.Subject, e.Body) || yield(e, nil) }); err != nil {
			yield(Event{}, readError(ctx, stream, err))
		}
	}
}

func tail(ctx context.Context, js jetstream.JetStream, stream string, patterns []string, after uint64, yield func(e Event, pending uint64) bool) error {
	// Not with ctx: a consumer that is made while ctx ends must be discarded.
	consumer, err := js.OrderedConsumer(context.WithoutCancel(ctx), stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: patterns, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
	})
	if err != nil {
		return err
	}
	defer func() { _ = streams.DeleteConsumer(ctx, js, consumer) }() // else the server does, minutes later
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(pullMessages, aheadBytes))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		e := Event{Ref: event.Ref{Stream: stream, Seq: meta.Sequence.Stream}, At: meta.Timestamp, Subject: msg.Subject(), Header: msg.Headers(), Body: msg.Data()}
		if !yield(e, meta.NumPending) {
			return nil
		}
	}
}

// Bounds returns the sequences of the oldest and the latest event that a stream
// holds; first is greater than last when it holds none.
func Bounds(ctx context.Context, js jetstream.JetStream, stream string) (first, last uint64, err error) {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return 0, 0, readError(ctx, stream, err)
	}
	state := s.CachedInfo().State
	return state.FirstSeq, state.LastSeq, nil
}

// SequenceAt is streams.SequenceSince of a stream that is named; its errors are
// NATS_ERRORs.
func SequenceAt(ctx context.Context, js jetstream.JetStream, stream string, t time.Time) (uint64, error) {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return 0, readError(ctx, stream, err)
	}
	seq, err := streams.SequenceSince(ctx, js, s, t)
	if err != nil {
		return 0, readError(ctx, stream, err)
	}
	return seq, nil
}
