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
// after the other. It beats whether or not there is one: setting a timer for each
// would cost every event something for the sake of the few that take long.
type heartbeat struct {
	every time.Duration
	log   *slog.Logger

	mu    sync.Mutex
	timer *time.Timer
	ctx   context.Context // of msg, for the log
	msg   jetstream.Msg   // nil while nothing is handled
}

// newHeartbeat makes a heartbeat that beats until it is ended.
func newHeartbeat(every time.Duration, log *slog.Logger) *heartbeat {
	h := &heartbeat{every: every, log: log}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(every, h.beat)
	return h
}

func (h *heartbeat) start(ctx context.Context, msg jetstream.Msg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ctx, h.msg = ctx, msg
}

// stop returns when the deadline is not being extended any more.
func (h *heartbeat) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ctx, h.msg = nil, nil
}

func (h *heartbeat) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer.Stop()
	h.timer = nil
}

func (h *heartbeat) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer == nil {
		return
	}
	if h.msg != nil {
		if err := h.msg.InProgress(); err != nil {
			h.log.WarnContext(h.ctx, "extending a delivery's deadline failed", "error", err)
		}
	}
	h.timer.Reset(h.every)
}
