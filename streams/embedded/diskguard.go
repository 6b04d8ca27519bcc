package embedded

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/streams/jsapi"
)

// DefaultReserve is how much of the store's disk is left free, in bytes.
const DefaultReserve = 100 << 20

const (
	checkInterval = time.Second
	// minCapacity is the capacity, in bytes, below which the store counts as full:
	// one event may be that large. It takes twice as much to end that.
	minCapacity = 1 << 20
	// ampleCapacity in bytes needs no exact limit.
	ampleCapacity = 1 << 30
	// unlimited is more than any disk has. The server's own default is a share of
	// what was free when it started, which need not suffice for what it holds.
	unlimited = 1 << 50
)

// A diskGuard limits what the server may store to the capacity that is left, so
// that it refuses events with an error that clients understand before a write to
// the disk fails: after a failed write a stream answers nobody until JetStream is
// restarted, which the guard does, too, when others have filled the disk.
type diskGuard struct {
	ns      *server.Server
	nc      *nats.Conn // to set timers; set before watch
	store   string
	reserve int64 // bytes of the disk that stay free
	max     int64 // bytes that the store may hold
	log     *slog.Logger

	errors   chan struct{} // the server has logged an error
	limit    int64         // the account's, as set last; -1 is none
	damaged  bool          // JetStream must be restarted
	repaired time.Time     // when that was last tried

	mu   sync.Mutex
	full error
}

func newDiskGuard(ns *server.Server, c Config, log *slog.Logger) *diskGuard {
	return &diskGuard{
		ns: ns, store: c.Store, reserve: cmp.Or(c.Reserve, DefaultReserve), max: cmp.Or(c.MaxStore, math.MaxInt64),
		log: log, errors: make(chan struct{}, 1), limit: -1,
	}
}

func (g *diskGuard) watch(ctx context.Context) {
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	refire := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.errors:
			g.damaged = g.damaged || g.problem() != ""
		case <-tick.C:
			g.damaged = g.damaged || !g.ns.JetStreamEnabled()
		}
		if g.damaged {
			g.restartJetStream()
		}
		if g.check() {
			refire = refireRounds
		}
		if refire > 0 && g.Full() == nil {
			refire--
			if err := g.refireOverdueTimers(ctx); err != nil {
				g.log.Warn("overdue timers not refired, they fire after the next start", "error", err)
			}
		}
	}
}

// check compares the capacity with what must be left, sets the server's limit, and
// reports whether the store was full and is no longer.
func (g *diskGuard) check() (recovered bool) {
	used := int64(g.ns.GlobalAccount().JetStreamUsage().Store)
	left, problem := g.capacity(used)
	was := g.Full()
	least := int64(minCapacity)
	if was != nil {
		least = 2 * minCapacity
	}
	limit := int64(-1)
	switch {
	case left < least:
		limit = max(used-1, 0)
	case left < ampleCapacity:
		limit, problem = used+left, nil
	default:
		problem = nil
	}
	if limit != g.limit {
		if err := g.setLimit(limit); err != nil {
			g.log.Warn("storage limit not set", "error", err)
			return false
		}
		g.limit = limit
	}
	g.mu.Lock()
	g.full = problem
	g.mu.Unlock()
	switch {
	case problem != nil && was == nil:
		g.log.Error(problem.Error())
	case problem == nil && was != nil:
		g.log.Info("store has capacity again", "stored", humanize.IBytes(uint64(used)))
		return true
	}
	return false
}

// capacity returns how many more bytes may be stored, and the error for when that
// is too little.
func (g *diskGuard) capacity(used int64) (left int64, problem error) {
	left = unlimited
	if free, total := DiskSpace(g.store); total > 0 {
		left = int64(free) - g.reserve
		problem = fmt.Errorf("%w: %s of %s are free on the disk of %s, and store_reserve keeps %s free: make room there, shorten retention, or lower store_reserve",
			jsapi.ErrFull, humanize.IBytes(free), humanize.IBytes(total), g.store, humanize.IBytes(uint64(g.reserve)))
	}
	if g.max-used < left {
		left = g.max - used
		problem = fmt.Errorf("%w: it holds %s, and store_max is %s: raise store_max, or shorten retention",
			jsapi.ErrFull, humanize.IBytes(uint64(used)), humanize.IBytes(uint64(g.max)))
	}
	return left, problem
}

// setLimit limits how many bytes the account may store; -1 is no limit.
func (g *diskGuard) setLimit(limit int64) error {
	return g.ns.GlobalAccount().UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": {
		MaxMemory: -1, MaxStore: limit, MaxStreams: -1, MaxConsumers: -1, MaxAckPending: -1, MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1,
	}})
}

// Full returns why nothing new is stored, or nil.
func (g *diskGuard) Full() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.full
}
