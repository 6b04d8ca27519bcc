package streams

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Durable opens a durable consumer, and creates it or updates its settings, but
// never has one that exists start over: want says where one begins that does not
// exist yet. A paused consumer stays paused.
func (b *Bus) Durable(ctx context.Context, stream string, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	if b.warden == "" {
		return openDurable(ctx, b.js, stream, want)
	}
	ask := durableRequest{
		Stream: stream, Subjects: want.FilterSubjects, AckWait: want.AckWait, MaxDeliver: want.MaxDeliver, MaxAckPending: want.MaxAckPending,
	}
	if want.OptStartTime != nil {
		ask.Since = *want.OptStartTime
	}
	if _, err := b.askWarden(ctx, wardenDurable, nil, ask); err != nil {
		return nil, err
	}
	return b.js.Consumer(ctx, stream, want.Durable)
}

func openDurable(ctx context.Context, js jetstream.JetStream, stream string, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	existing, err := js.Consumer(ctx, stream, want.Durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		if want.DeliverPolicy == jetstream.DeliverByStartTimePolicy {
			s, err := js.Stream(ctx, stream)
			if err != nil {
				return nil, err
			}
			seq, err := SequenceSince(ctx, js, s, *want.OptStartTime)
			if err != nil {
				return nil, err
			}
			want.DeliverPolicy, want.OptStartSeq, want.OptStartTime = jetstream.DeliverByStartSequencePolicy, seq, nil
		}
	case err != nil:
		return nil, err
	default:
		have := existing.CachedInfo().Config
		want.DeliverPolicy, want.OptStartSeq, want.OptStartTime = have.DeliverPolicy, have.OptStartSeq, have.OptStartTime
		want.PauseUntil = have.PauseUntil // a paused plugin stays paused across restarts
	}
	return js.CreateOrUpdateConsumer(ctx, stream, want)
}

// OneByOne reads a consumer one event at a time: what waits in a client's buffer
// would count as attempted when the process dies. Missing heartbeats tell soon of
// a request for the next event that the server lost (one in some ten thousand,
// nats-server 2.15.2). The heartbeat is also when the server notices that a
// consumer is no longer paused, so it bounds how long a resumed plugin is silent.
func OneByOne(c jetstream.Consumer) (jetstream.MessagesContext, error) {
	return c.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(30*time.Second), jetstream.PullHeartbeat(time.Second))
}
