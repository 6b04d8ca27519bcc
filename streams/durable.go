package streams

import (
	"context"
	"errors"

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
			seq, err := SequenceSince(ctx, js, stream, *want.OptStartTime)
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
