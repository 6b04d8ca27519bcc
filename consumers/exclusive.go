package consumers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
)

// takeOver makes the server redeliver what it had delivered to a process that died: at
// once, in order and before any other event. It naks in that process's place, and returns
// when the server has taken the last nak. Unlike a reset of the consumer this keeps count
// of the attempts, so that an event that kills its process is given up in the end.
func takeOver(ctx context.Context, bus *streams.Bus, c jetstream.Consumer) error {
	info, err := abandoned(ctx, c)
	if err != nil || info.NumAckPending == 0 {
		return err
	}
	// Which of them are pending is not told; the server ignores naks of the others.
	for seq := info.AckFloor.Stream + 1; seq < info.Delivered.Stream; seq++ {
		if err := bus.Conn().Publish(ackSubject(info, seq), []byte("-NAK")); err != nil {
			return err
		}
	}
	// A server that has no leader for the consumer does not answer, and its successor must be asked anew.
	ctx, cancel := context.WithTimeout(ctx, streams.DefaultTimeout)
	defer cancel()
	_, err = bus.Conn().RequestWithContext(ctx, ackSubject(info, info.Delivered.Stream), []byte("-NAK"))
	return err
}

// ackSubject returns the subject of the acknowledgement of an event: a nak needs its
// sequence, and any delivery of the consumer above the ack floor.
func ackSubject(c *jetstream.ConsumerInfo, seq uint64) string {
	const deliveries, timestamp, pending = 1, 0, 0 // not looked at
	return fmt.Sprintf("$JS.ACK.%s.%s.%d.%d.%d.%d.%d", c.Stream, c.Name, deliveries, seq, c.Delivered.Consumer, timestamp, pending)
}

// deathTimeout is how long a server may take to see that a process that died has lost its
// connection. A pull request that it waits for until then would take an event.
const deathTimeout = time.Second

var errReader = errors.New("another process reads the consumer")

// abandoned returns the state of a consumer that nobody reads any more. It does not wait
// on for a reader that should not be there.
func abandoned(ctx context.Context, c jetstream.Consumer) (info *jetstream.ConsumerInfo, err error) {
	policy := retry.Every(5 * time.Millisecond)
	policy.MaxElapsed, policy.If = deathTimeout, func(err error) bool { return errors.Is(err, errReader) }
	err = retry.Do(ctx, policy, func(ctx context.Context) error {
		if info, err = c.Info(ctx); err == nil && info.NumWaiting > 0 && info.NumAckPending > 0 {
			return errReader
		}
		return err
	})
	if errors.Is(err, errReader) {
		err = nil
	}
	return info, err
}
