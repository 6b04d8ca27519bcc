package streams

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A Selection says which of the messages that a stream holds are read.
type Selection struct {
	Stream      string
	Subjects    []string  // only those that match one of them; all, where there are none
	Since       time.Time // only those stored then or later, unless it is zero
	HeadersOnly bool      // without their bodies
}

// Messages returns the messages of a selection that its stream held when the
// sequence began, in their order, and ends: also under load, and where some are
// deleted before they are read. On a cluster it misses none that was acknowledged
// before. The error that ends it names the stream, and wraps
// jetstream.ErrStreamNotFound or the context's own where it is one of these.
func Messages(ctx context.Context, js jetstream.JetStream, s Selection) iter.Seq2[*jetstream.RawStreamMsg, error] {
	return func(yield func(*jetstream.RawStreamMsg, error) bool) {
		if err := s.read(ctx, js, yield); err != nil {
			yield(nil, fmt.Errorf("read stream %s: %w", s.Stream, err))
		}
	}
}

// read asks the stream's leader what there is, and a consumer for it. What a
// consumer says of the end cannot be relied on: it may be on a server that lags,
// its count may include what has been deleted since, and a request may be lost.
func (s Selection) read(ctx context.Context, js jetstream.JetStream, yield func(*jetstream.RawStreamMsg, error) bool) error {
	stream, err := js.Stream(ctx, s.Stream)
	if err != nil {
		return err
	}
	next, last := uint64(1), stream.CachedInfo().State.LastSeq
	if !s.Since.IsZero() {
		if next, err = SequenceSince(ctx, js, stream, s.Since); err != nil {
			return err
		}
	}
	for next <= last {
		more, err := s.Holds(ctx, js, next, last)
		if err != nil || !more {
			return err
		}
		if next, err = s.take(ctx, js, next, last, yield); err != nil {
			return err
		}
	}
	return nil
}

// Holds reports whether the stream holds something of the selection from one
// sequence to another, both inclusive, whenever that was stored. Its leader is
// asked, which on a cluster knows of all that was acknowledged before.
func (s Selection) Holds(ctx context.Context, js jetstream.JetStream, from, to uint64) (bool, error) {
	subjects := s.Subjects
	if len(subjects) == 0 {
		subjects = []string{">"}
	}
	for _, subject := range subjects {
		seq, err := find(ctx, js, s.Stream, map[string]any{"seq": from, "next_by_subj": subject})
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return false, err
		}
		if err == nil && seq <= to {
			return true, nil
		}
	}
	return false, nil
}

// doubt is how long a consumer may send nothing before it is no longer believed
// that it will.
const doubt = time.Second

// resets is how often an ordered consumer is made again before its stream is
// given up, which takes a quarter of a minute.
const resets = 5

// take yields messages of the selection until the consumer has, or sends, no more.
// It returns the sequence from which on others may be left; one beyond last where
// none are wanted.
func (s Selection) take(ctx context.Context, js jetstream.JetStream, next, last uint64, yield func(*jetstream.RawStreamMsg, error) bool) (uint64, error) {
	consumer, err := js.OrderedConsumer(ctx, s.Stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: s.Subjects, HeadersOnly: s.HeadersOnly, MaxResetAttempts: resets,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: next,
	})
	if err != nil {
		return next, err
	}
	defer func() { _ = Discard(ctx, js, consumer) }() // else the server does, minutes later
	// Next on the consumer itself would make a new one for each message.
	messages, err := consumer.Messages()
	if err != nil {
		return next, err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for next <= last {
		msg, err := messages.Next(jetstream.NextMaxWait(doubt))
		switch {
		case ctx.Err() != nil:
			return next, ctx.Err()
		case errors.Is(err, nats.ErrTimeout):
			return next, nil
		case err != nil:
			return next, err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return next, err
		}
		if meta.Sequence.Stream > last {
			break
		}
		next = meta.Sequence.Stream + 1
		if !yield(&jetstream.RawStreamMsg{
			Subject: msg.Subject(), Sequence: meta.Sequence.Stream, Header: msg.Headers(), Data: msg.Data(), Time: meta.Timestamp,
		}, nil) {
			break
		}
		if meta.NumPending == 0 {
			return next, nil
		}
	}
	return last + 1, nil
}

// discardTimeout is how long the deletion of a consumer may take.
const discardTimeout = 2 * time.Second

// Discard deletes a consumer that is of no more use, also when ctx has ended.
// Without a connection it leaves that to the server, which forgets consumers that
// nobody reads.
func Discard(ctx context.Context, js jetstream.JetStream, c jetstream.Consumer) error {
	if !js.Conn().IsConnected() {
		return nats.ErrDisconnected
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	info := c.CachedInfo()
	return js.DeleteConsumer(ctx, info.Stream, info.Name)
}
