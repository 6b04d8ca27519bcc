package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/jsapi"
)

// A Maintainer brings streams, buckets and durable consumers back to the configuration
// with which the bot opened them, and makes again the streams and buckets that somebody
// deleted, while the bot runs. It logs what it does.
type Maintainer struct {
	bus      *Bus
	o        Options
	log      *slog.Logger
	recreate map[string]func(context.Context) error // by bucket

	buckets map[string]jetstream.StreamConfig // as they were when first seen, by stream
	created map[string]time.Time              // by stream
	last    map[string]uint64                 // sequence, by stream
	gone    map[string]time.Time              // when that was noticed, by stream
	told    map[string]finding                // by stream or consumer

	mu       sync.Mutex
	problems map[string]error // by stream
}

const (
	maintainInterval = 10 * time.Second
	// deleteTime is how long a server may remove the files of a stream that it says is
	// deleted. It would remove those of one that is made again meanwhile (2.15.2).
	deleteTime = 2 * time.Second
	// SequenceMargin is more than the number of events that a stream can store between two
	// checks of it. A stream that is recreated begins that far after the last sequence that
	// was seen, because no sequence may be used twice.
	SequenceMargin = 10_000
)

// NewMaintainer makes a Maintainer of the streams that were opened with o, of the bot's
// buckets, and of the durables of a Bus. It leaves alone what else the account holds.
func NewMaintainer(bus *Bus, o Options, log *slog.Logger) *Maintainer {
	return &Maintainer{
		bus: bus, o: o, log: log, recreate: map[string]func(context.Context) error{}, buckets: map[string]jetstream.StreamConfig{},
		created: map[string]time.Time{}, gone: map[string]time.Time{}, last: map[string]uint64{}, told: map[string]finding{}, problems: map[string]error{},
	}
}

// OnRecreate sets what is called after a bucket was deleted and made again, to write what
// this process knows. Call it before Run.
func (m *Maintainer) OnRecreate(bucket string, fn func(context.Context) error) {
	m.recreate[jsapi.BucketStream(bucket)] = fn
}

// Problem returns why a stream takes no events, if the Maintainer cannot repair that, or
// nil.
func (m *Maintainer) Problem() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.problems)) {
		return m.problems[name]
	}
	return nil
}

// Run works until ctx ends. It compares whenever an advisory says that a stream was deleted
// or changed, and every 10 s.
func (m *Maintainer) Run(ctx context.Context) error {
	changed := make(chan *nats.Msg, 64)
	for _, what := range []string{"DELETED", "UPDATED"} {
		sub, err := m.bus.nc.ChanSubscribe("$JS.EVENT.ADVISORY.STREAM."+what+".*", changed)
		if err != nil {
			return fmt.Errorf("subscribe to JetStream's advisories: %w", err)
		}
		defer func() { _ = sub.Unsubscribe() }()
	}
	tick := time.NewTicker(maintainInterval)
	defer tick.Stop()
	for {
		for len(changed) > 0 {
			<-changed
		}
		if err := m.check(ctx); err != nil && ctx.Err() == nil && !jsapi.IsUnavailable(err) {
			m.log.WarnContext(ctx, "streams not maintained, retrying", "error", err)
		}
		var recreate <-chan time.Time
		if len(m.gone) > 0 {
			recreate = time.After(deleteTime / 4)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-recreate:
		case <-tick.C:
		}
	}
}

func (m *Maintainer) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, maintainInterval)
	defer cancel()
	held := map[string]*jetstream.StreamInfo{}
	lister := m.bus.js.ListStreams(ctx)
	for info := range lister.Info() {
		held[info.Config.Name] = info
	}
	if err := lister.Err(); err != nil {
		return err
	}
	var errs []error
	for _, s := range topology {
		errs = append(errs, m.stream(ctx, s, held[s.Name]))
	}
	for name := range held {
		bucket, isBucket := strings.CutPrefix(name, jsapi.BucketStream(""))
		if _, known := m.buckets[name]; !known && isBucket && isOwnBucket(bucket) {
			m.buckets[name], m.created[name] = held[name].Config, held[name].Created
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.buckets)) {
		errs = append(errs, m.bucket(ctx, name, held[name]))
	}
	if manager, ok := m.bus.manager.(*manager); ok {
		errs = append(errs, manager.maintain(ctx, m))
	}
	return errors.Join(errs...)
}

// stream makes a stream of the topology again, or sets it right.
func (m *Maintainer) stream(ctx context.Context, s Spec, info *jetstream.StreamInfo) error {
	if info == nil {
		if !m.deleted(ctx, s.Name) {
			return nil
		}
		return open(ctx, m.bus.js, s, m.o, m.last[s.Name]+1+SequenceMargin)
	}
	delete(m.gone, s.Name)
	m.last[s.Name] = max(m.last[s.Name], info.State.LastSeq)
	found, err := s.Differences(info.Config, m.o)
	m.mu.Lock()
	if delete(m.problems, s.Name); err != nil {
		m.problems[s.Name] = fmt.Errorf("stream %s takes no events or loses some: %w", s.Name, err)
		found = []string{err.Error()}
	}
	m.mu.Unlock()
	if !m.tell(ctx, "stream", s.Name, found) || err != nil {
		return nil
	}
	return open(ctx, m.bus.js, s, m.o, 0)
}

// bucket makes a bucket again, or sets it right.
func (m *Maintainer) bucket(ctx context.Context, name string, info *jetstream.StreamInfo) error {
	want := m.buckets[name]
	if info == nil {
		bucket, _ := strings.CutPrefix(name, jsapi.BucketStream(""))
		if dropped, err := IsDropped(ctx, m.bus.js, bucket); err == nil && dropped {
			delete(m.buckets, name)
			delete(m.gone, name)
			return nil
		}
		if !m.deleted(ctx, name) {
			return nil
		}
		if s, err := m.bus.js.CreateStream(ctx, want); err == nil {
			info = s.CachedInfo()
		} else if s, err2 := m.bus.js.Stream(ctx, name); err2 == nil { // another process was faster
			info = s.CachedInfo()
		} else {
			return err
		}
	}
	delete(m.gone, name)
	if !info.Created.Equal(m.created[name]) {
		if fn := m.recreate[name]; fn != nil {
			if err := fn(ctx); err != nil {
				return err
			}
		}
		m.created[name] = info.Created
		return nil
	}
	have := info.Config
	want = asOpened(want, have)
	m.buckets[name] = want
	if !m.tell(ctx, "bucket", name, differences(have, want)) {
		return nil
	}
	if have.Sealed {
		return nil
	}
	_, err := m.bus.js.UpdateStream(ctx, want)
	return err
}

// asOpened returns the settings of a bucket that was seen before it was opened: who opens
// it raises its replicas, history and duplicate window, lifts limits, and denies rollups
// and direct gets.
func asOpened(seen, have jetstream.StreamConfig) jetstream.StreamConfig {
	seen.Replicas, seen.Duplicates = have.Replicas, max(seen.Duplicates, have.Duplicates)
	seen.MaxMsgsPerSubject = max(seen.MaxMsgsPerSubject, have.MaxMsgsPerSubject)
	seen.AllowRollup, seen.AllowDirect = seen.AllowRollup && have.AllowRollup, seen.AllowDirect && have.AllowDirect
	seen.MaxAge, seen.MaxBytes = lifted(seen.MaxAge, have.MaxAge), lifted(seen.MaxBytes, have.MaxBytes)
	seen.MaxMsgs, seen.MaxMsgSize = lifted(seen.MaxMsgs, have.MaxMsgs), lifted(seen.MaxMsgSize, have.MaxMsgSize)
	return seen
}

// lifted returns a limit that may have been lifted since it was seen.
func lifted[T int32 | int64 | time.Duration](seen, have T) T {
	if have <= 0 {
		return have
	}
	return seen
}

// deleted logs that a stream is gone, and reports whether it can be made again.
func (m *Maintainer) deleted(ctx context.Context, name string) bool {
	if m.gone[name].IsZero() {
		m.gone[name] = time.Now()
		m.log.ErrorContext(ctx, "stream deleted, contents lost, recreating it; rosey restore brings back a backup", "stream", name)
	}
	return time.Since(m.gone[name]) >= deleteTime
}

// A finding is how something differed from what it should be.
type finding struct {
	text string
	at   time.Time
	over bool // it did not differ when it was looked at last
}

// tell logs differences of a kind of thing, and reports whether to set it right: not
// while the same differences stay, and at most once in maintainInterval if they come back,
// as another bot may have other settings.
func (m *Maintainer) tell(ctx context.Context, kind, name string, found []string) bool {
	text, last := strings.Join(found, "; "), m.told[kind+name]
	if text == "" {
		last.over = true
		m.told[kind+name] = last
		return false
	}
	if text == last.text && (!last.over || time.Since(last.at) < maintainInterval) {
		return false
	}
	m.told[kind+name] = finding{text: text, at: time.Now()}
	m.log.WarnContext(ctx, "configuration drifted, restoring it", "kind", kind, kind, name, "differences", text)
	return true
}
