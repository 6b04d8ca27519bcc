package consumers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A heartbeat extends the deadline of the delivery that is being handled, so that
// a long handler is not given the event a second time. It serves one delivery
// after the other.
type heartbeat struct {
	every time.Duration
	log   *slog.Logger

	mu    sync.Mutex
	timer *time.Timer
	ctx   context.Context // of msg, for the log
	msg   jetstream.Msg   // nil while nothing is handled
}

func newHeartbeat(every time.Duration, log *slog.Logger) *heartbeat {
	h := &heartbeat{every: every, log: log}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(every, h.extend)
	h.timer.Stop()
	return h
}

func (h *heartbeat) start(ctx context.Context, msg jetstream.Msg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ctx, h.msg = ctx, msg
	h.timer.Reset(h.every)
}

// stop returns when the deadline is not being extended any more.
func (h *heartbeat) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ctx, h.msg = nil, nil
	h.timer.Stop()
}

func (h *heartbeat) extend() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.msg == nil {
		return
	}
	if err := h.msg.InProgress(); err != nil {
		h.log.WarnContext(h.ctx, "extending a delivery's deadline failed", "error", err)
	}
	h.timer.Reset(h.every)
}
