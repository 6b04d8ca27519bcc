// Package monitor observes streams and consumers: sizes, backlogs, readers and capacity.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
)

// StreamState is the size and age of a stream.
type StreamState struct {
	Name        string
	Messages    uint64
	Bytes       uint64
	First, Last time.Time     // when its oldest and its latest event were stored
	LastSeq     uint64        // the latest event's sequence
	MaxAge      time.Duration // 0 keeps for ever
	MaxBytes    int64         // 0 or less is unlimited
	Consumers   int
}

// Streams returns the states of all streams of the account, those of buckets included.
func Streams(ctx context.Context, js jetstream.JetStream) ([]StreamState, error) {
	var list []StreamState
	lister := js.ListStreams(ctx)
	for info := range lister.Info() {
		list = append(list, StreamState{
			Name: info.Config.Name, Messages: info.State.Msgs, Bytes: info.State.Bytes, First: info.State.FirstTime, Last: info.State.LastTime,
			LastSeq: info.State.LastSeq, MaxAge: info.Config.MaxAge, MaxBytes: info.Config.MaxBytes, Consumers: info.State.Consumers,
		})
	}
	if err := lister.Err(); err != nil {
		return list, fmt.Errorf("list streams: %w", err)
	}
	return list, nil
}

// ConsumerState is the progress of a durable consumer.
type ConsumerState struct {
	Name        string `json:"name"`
	Stream      string `json:"stream"`
	Lag         uint64 `json:"lag"` // events not yet delivered
	Unacked     int    `json:"unacked"`
	Settled     uint64 `json:"settled"` // deliveries since the consumer was made of which all up to the last are settled
	Redelivered int    `json:"redelivered"`
	Waiting     int    `json:"waiting"`  // open pull requests
	HasReader   bool   `json:"attended"` // see HasReader
	Paused      bool   `json:"paused"`
}

// Backlog returns how many events are not acknowledged yet.
func (c ConsumerState) Backlog() uint64 { return c.Lag + uint64(c.Unacked) }

// Condition returns paused, running or nobody reads.
func (c ConsumerState) Condition() string {
	switch {
	case c.Paused:
		return "paused"
	case c.HasReader:
		return "running"
	}
	return "nobody reads"
}

// HasReader reports whether a process reads a consumer: it pulls, or handles an event.
// The unacknowledged event of a process that died counts until its ack_wait is over;
// a process that handles one extends the ack_wait, which counts as a delivery.
func HasReader(info *jetstream.ConsumerInfo) bool {
	delivered := info.Delivered.Last
	return info.NumWaiting > 0 || info.NumAckPending > 0 && delivered != nil && info.TimeStamp.Sub(*delivered) < info.Config.AckWait
}

// Consumers returns the states of the durable consumers of our streams; see EachConsumer.
func Consumers(ctx context.Context, js jetstream.JetStream) ([]ConsumerState, error) {
	var list []ConsumerState
	err := EachConsumer(ctx, js, func(info *jetstream.ConsumerInfo) {
		list = append(list, ConsumerState{
			Name: info.Name, Stream: info.Stream, Lag: info.NumPending, Unacked: info.NumAckPending, Settled: info.AckFloor.Consumer,
			Redelivered: info.NumRedelivered, Waiting: info.NumWaiting, HasReader: HasReader(info), Paused: info.Paused,
		})
	})
	return list, err
}

// EachConsumer calls f for every durable consumer of our streams, in the
// topology's order. The error wraps jetstream.ErrStreamNotFound when one of the
// streams does not exist; f is called for those of the others all the same.
func EachConsumer(ctx context.Context, js jetstream.JetStream, f func(*jetstream.ConsumerInfo)) (missing error) {
	for _, spec := range streams.Specs() {
		stream, err := js.Stream(ctx, spec.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			missing = errors.Join(missing, fmt.Errorf("stream %s: %w", spec.Name, err))
			continue
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", spec.Name, err)
		}
		lister := stream.ListConsumers(ctx)
		for info := range lister.Info() {
			if info.Config.Durable != "" {
				f(info)
			}
		}
		if err := lister.Err(); err != nil {
			return fmt.Errorf("consumers of %s: %w", spec.Name, err)
		}
	}
	return missing
}
