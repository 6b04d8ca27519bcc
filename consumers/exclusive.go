package consumers

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
)

// expireTime is longer than a server takes to look for deliveries that have expired after
// the ack_wait was changed (100 ms in nats-server 2.15.2).
const expireTime = 200 * time.Millisecond

// expireDeliveries makes the server redeliver what it had delivered to a process that died,
// by an ack_wait that is over. Unlike a reset of the consumer this keeps count of the
// attempts, so that an event that kills its process is given up in the end. A delivery
// that the server has not found by then is redelivered after the usual ack_wait.
func expireDeliveries(ctx context.Context, bus *streams.Bus, c jetstream.Consumer) error {
	info := c.CachedInfo()
	if info.NumAckPending == 0 {
		return nil
	}
	over := info.Config
	over.AckWait = time.Millisecond
	if _, err := bus.JetStream().UpdateConsumer(ctx, info.Stream, over); err != nil {
		return err
	}
	if err := retry.Sleep(ctx, expireTime); err != nil {
		return err
	}
	now, err := c.Info(ctx) // somebody may have paused it
	if err != nil {
		return err
	}
	again := now.Config
	again.AckWait = info.Config.AckWait
	_, err = bus.JetStream().UpdateConsumer(ctx, info.Stream, again)
	return err
}
