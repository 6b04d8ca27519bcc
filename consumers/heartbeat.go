package consumers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Heartbeat extends a delivery's ack deadline while it is handled, so that the server
// does not redeliver the event meanwhile.
func Heartbeat(every time.Duration, log *slog.Logger) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			b := &heartbeat{ctx: ctx, msg: deliveryOf(ctx).msg, every: every, log: log}
			b.start()
			defer b.stop()
			return next(ctx, d)
		}
	}
}

type heartbeat struct {
	ctx   context.Context
	every time.Duration
	log   *slog.Logger

	mu    sync.Mutex
	timer *time.Timer
	msg   jetstream.Msg // nil once stopped
}

func (b *heartbeat) start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timer = time.AfterFunc(b.every, b.beat)
}

func (b *heartbeat) beat() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.msg == nil {
		return
	}
	if err := b.msg.InProgress(); err != nil {
		b.log.WarnContext(b.ctx, "heartbeat failed", "error", err)
	}
	b.timer.Reset(b.every)
}

// stop returns when nothing extends the deadline any more: the settlement follows.
func (b *heartbeat) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timer.Stop()
	b.msg = nil
}
