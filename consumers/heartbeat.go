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
// does not redeliver the event meanwhile. All deliveries share a timer: one for each
// would cost each event a wake-up of the scheduler for the sake of the few that take
// long.
func Heartbeat(every time.Duration, log *slog.Logger) Middleware {
	b := &heartbeat{every: every, log: log, handled: map[jetstream.Msg]context.Context{}}
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			msg := deliveryOf(ctx).msg
			b.start(ctx, msg)
			defer b.stop(msg)
			return next(ctx, d)
		}
	}
}

type heartbeat struct {
	every time.Duration
	log   *slog.Logger

	mu      sync.Mutex
	handled map[jetstream.Msg]context.Context
	armed   bool // beat will be called
}

func (b *heartbeat) start(ctx context.Context, msg jetstream.Msg) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handled[msg] = ctx
	b.arm()
}

func (b *heartbeat) arm() {
	if !b.armed && len(b.handled) > 0 {
		b.armed = true
		time.AfterFunc(b.every, b.beat)
	}
}

func (b *heartbeat) beat() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for msg, ctx := range b.handled {
		if err := msg.InProgress(); err != nil {
			b.log.WarnContext(ctx, "heartbeat failed", "error", err)
		}
	}
	b.armed = false
	b.arm()
}

// stop returns when nothing extends the deadline any more: the settlement follows.
func (b *heartbeat) stop(msg jetstream.Msg) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.handled, msg)
}
