package streams

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// consumeTimeout is how long a consumer may send nothing before the leader is
	// asked whether there is more: a request for messages may have been lost.
	consumeTimeout = time.Second
	// maxResets of an ordered consumer take a quarter of a minute.
	maxResets = 5
	// discardTimeout is how long the deletion of a consumer may take.
	discardTimeout = 2 * time.Second
)

// consume is the fetch of an ordered consumer, for streams without direct gets. What
// the consumer says of the end cannot be relied on: it may be on a server that
// lags, and its count may include what was deleted since.
func (s Selection) consume(ctx context.Context, js jetstream.JetStream, next, last uint64, yield func(*jetstream.RawStreamMsg, error) bool) (uint64, error) {
	consumer, err := js.OrderedConsumer(ctx, s.Stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: s.Subjects, MaxResetAttempts: maxResets,
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
		msg, err := messages.Next(jetstream.NextMaxWait(consumeTimeout))
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

// Discard deletes a consumer that is no longer used, also when ctx has ended.
// Without a connection it leaves that to the server, which deletes inactive
// consumers.
func Discard(ctx context.Context, js jetstream.JetStream, c jetstream.Consumer) error {
	if !js.Conn().IsConnected() {
		return nats.ErrDisconnected
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	info := c.CachedInfo()
	return js.DeleteConsumer(ctx, info.Stream, info.Name)
}
