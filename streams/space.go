package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

// ErrFull is wrapped by the errors about what is not stored for lack of room: on
// the disk, below the limit of the store, or in what an account may keep.
var ErrFull = errors.New("the store is full: nothing new is stored until there is room (see rosey doctor)")

// ReasonFull is the reason in the details of a database's error that is about the
// lack of room.
const ReasonFull = "store_full"

// Refusal is err, wrapped with ErrFull where it says that JetStream has no room.
func Refusal(err error) error {
	if err == nil {
		return nil
	}
	var api *jetstream.APIError
	if !errors.As(err, &api) || errors.Is(err, ErrFull) {
		return err
	}
	switch server.ErrorIdentifier(api.ErrorCode) {
	case server.JSAccountResourcesExceededErr, server.JSStorageResourcesExceededErr, server.JSMemoryResourcesExceededErr, server.JSInsufficientResourcesErr:
	case server.JSStreamStoreFailedF:
		// What a stream with discard=new says that has reached its limits.
		if !strings.Contains(api.Description, "maximum bytes") && !strings.Contains(api.Description, "maximum messages exceeded") {
			return err
		}
	case server.JSClusterNoPeersErrF:
		// What a cluster says of a stream that too few of its servers have room for.
		if !strings.Contains(api.Description, "insufficient storage") {
			return err
		}
	case server.JSStreamCreateErrF:
		// All that a server says that could not make a stream's first files.
		if api.Description != "error creating store for stream" {
			return err
		}
	default:
		return err
	}
	return fmt.Errorf("%w: %w", ErrFull, err)
}

// DefaultReserve is how much of the store's disk is left free, in bytes.
const DefaultReserve = 100 << 20

const (
	// lookEvery is how often the room that is left is looked at.
	lookEvery = time.Second
	// margin is the room below which nothing is stored any more: an event may be
	// that large. There must be twice as much for storing to begin again.
	margin = 1 << 20
	// plenty of room needs no exact limit.
	plenty = 1 << 30
	// noLimit is more than any disk has. The server's own default is a share of
	// what was free when it started, which need not suffice for what it holds.
	noLimit = 1 << 50
	// repairEvery is the least time between two repairs.
	repairEvery = 5 * time.Second
	ringTimeout = 10 * time.Second
	// ringTimes is how often the timers are looked at once there is room again:
	// those that the server may be about to try are left alone, and may turn out
	// to have been tried when there was no room yet.
	ringTimes = 3
)

// A keeper sees to it that the embedded server refuses what there is no room
// for, with an error that its clients understand, before a write to the disk
// fails: a stream whose write failed answers nobody any more until JetStream is
// started anew. It does that, too, when others have filled the disk.
type keeper struct {
	ns      *server.Server
	nc      *nats.Conn
	store   string
	reserve int64 // bytes of the disk that stay free
	max     int64 // bytes that the store may hold; 0 is as many as there is room for
	log     *slog.Logger

	alarm    chan struct{} // the server has logged an error
	limit    int64         // the account's, as set last
	damaged  bool          // JetStream must start anew, and did not yet
	repaired time.Time

	mu   sync.Mutex
	full error
}

// watch looks at the room until ctx ends.
func (k *keeper) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	rings := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.alarm:
			k.damaged = k.damaged || k.broken() != ""
		case <-tick.C:
			k.damaged = k.damaged || !k.ns.JetStreamEnabled()
		}
		if k.damaged {
			k.repair()
		}
		if k.look() {
			rings = ringTimes
		}
		if rings > 0 && k.Full() == nil {
			rings--
			if err := k.ring(ctx); err != nil {
				k.log.Warn("timers that came due while the store was full may wait until the next start", "error", err)
			}
		}
	}
}

// look compares the room that is left with what must be, and reports whether
// there is room where there was none.
func (k *keeper) look() (again bool) {
	used := int64(k.ns.GlobalAccount().JetStreamUsage().Store)
	room, problem := k.room(used)
	was := k.Full()
	least := int64(margin)
	if was != nil {
		least = 2 * margin
	}
	limit := int64(-1)
	switch {
	case room < least:
		limit = max(used-1, 0)
	case room < plenty:
		limit, problem = used+room, nil
	default:
		problem = nil
	}
	if limit != k.limit {
		if err := k.allow(limit); err != nil {
			k.log.Warn("the limit of the store was not set", "error", err)
			return false
		}
		k.limit = limit
	}
	k.mu.Lock()
	k.full = problem
	k.mu.Unlock()
	switch {
	case problem != nil && was == nil:
		k.log.Error(problem.Error())
	case problem == nil && was != nil:
		k.log.Info("there is room in the store again; what waited is stored now", "stored", humanize.IBytes(uint64(used)))
		return true
	}
	return false
}

// ring has the timers fire that came due while there was no room. The server has
// tried each once, and does so again only when it is set anew.
func (k *keeper) ring(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ringTimeout)
	defer cancel()
	js, err := JetStream(k.nc)
	if err != nil {
		return err
	}
	timers, err := js.Stream(ctx, Timer)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := timers.Info(ctx, jetstream.WithSubjectFilter(event.AllSchedules))
	if err != nil {
		return err
	}
	for subject := range info.State.Subjects {
		m, err := timers.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		at, err := time.Parse(time.RFC3339, strings.TrimPrefix(m.Header.Get(jetstream.ScheduleHeader), "@at "))
		if err != nil || time.Since(at) < lookEvery {
			continue
		}
		m.Header.Del(jetstream.MsgIDHeader)
		k.log.Debug("a timer that came due is set anew", "timer", subject)
		_, err = js.PublishMsg(ctx, &nats.Msg{Subject: subject, Header: m.Header, Data: m.Data}, jetstream.WithExpectLastSequencePerSubject(m.Sequence))
		if err != nil && !outrun(err) {
			return fmt.Errorf("set %s anew: %w", subject, err)
		}
	}
	return nil
}

// outrun reports whether something was not stored because what it was to replace
// is gone, as a timer that has fired meanwhile or was cancelled.
func outrun(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// room is how many more bytes may be stored, and what stands in the way of more.
func (k *keeper) room(used int64) (room int64, problem error) {
	room = noLimit
	if free, total := DiskSpace(k.store); total > 0 {
		room = int64(free) - k.reserve
		problem = fmt.Errorf("%w: %s of %s are free on the disk of %s, and store_reserve keeps %s free: make room there, shorten retention, or lower store_reserve",
			ErrFull, humanize.IBytes(free), humanize.IBytes(total), k.store, humanize.IBytes(uint64(k.reserve)))
	}
	if k.max > 0 && k.max-used < room {
		room = k.max - used
		problem = fmt.Errorf("%w: it holds %s, and store_max is %s: raise store_max, or shorten retention",
			ErrFull, humanize.IBytes(uint64(used)), humanize.IBytes(uint64(k.max)))
	}
	return room, problem
}

// allow limits how much the account may store; -1 is no limit.
func (k *keeper) allow(limit int64) error {
	return k.ns.GlobalAccount().UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": {
		MaxMemory: -1, MaxStore: limit, MaxStreams: -1, MaxConsumers: -1, MaxAckPending: -1, MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1,
	}})
}

// Full says why nothing new is stored, or is nil.
func (k *keeper) Full() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.full
}

// repair starts JetStream anew.
func (k *keeper) repair() {
	if time.Since(k.repaired) < repairEvery {
		return
	}
	k.repaired = time.Now()
	k.log.Error("JetStream starts anew", "because", cmp.Or(k.broken(), "it did not start"))
	c := server.JetStreamConfig{MaxStore: noLimit}
	if had := k.ns.JetStreamConfig(); had != nil {
		c = *had
	}
	c.StoreDir = k.store
	if err := k.ns.ShutdownJetStream(); err != nil {
		k.log.Warn("JetStream did not end well", "error", err)
	}
	err := k.ns.EnableJetStream(&c)
	problem := k.broken()
	if err == nil && problem != "" {
		err = errors.New(problem)
	}
	if k.damaged = err != nil; k.damaged {
		k.log.Error("JetStream did not start; it will be tried again", "error", err)
	}
	k.limit = -1 // as it is then
}

// broken says what is wrong with JetStream, or is "".
func (k *keeper) broken() string {
	if !k.ns.JetStreamEnabled() {
		return "JetStream is off"
	}
	account := k.ns.GlobalAccount().Name
	entries, _ := os.ReadDir(filepath.Join(k.store, server.JetStreamStoreDir, account, "streams"))
	for _, e := range entries {
		h := k.ns.Healthz(&server.HealthzOptions{Account: account, Stream: e.Name()})
		if strings.Contains(h.Error, "write error") || strings.Contains(h.Error, "could not be recovered") {
			return h.Error
		}
	}
	return ""
}

// heard is told of each error that the server logs.
func (k *keeper) heard() {
	select {
	case k.alarm <- struct{}{}:
	default:
	}
}

// room remembers which streams have refused an event for lack of room.
type room struct {
	mu      sync.Mutex
	refused map[string]error
	any     atomic.Bool
}

// note remembers how storing an event in a stream went, and returns err.
func (r *room) note(stream string, err error) error {
	full := errors.Is(err, ErrFull)
	if !full && (err != nil || !r.any.Load()) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if full {
		if r.refused == nil {
			r.refused = map[string]error{}
		}
		r.refused[stream] = fmt.Errorf("stream %s takes no events: %w", stream, err)
	} else {
		delete(r.refused, stream)
	}
	r.any.Store(len(r.refused) > 0)
	return err
}

func (r *room) problem() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.refused) == 0 {
		return nil
	}
	return r.refused[slices.Min(slices.Collect(maps.Keys(r.refused)))]
}
