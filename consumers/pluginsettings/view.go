package pluginsettings

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Watch keeps all settings in memory, of which Load and List then read, until ctx ends. They
// read the bucket while NATS is away or the bucket is made again.
func (s *Store) Watch(ctx context.Context, log *slog.Logger) error {
	return retry.Do(ctx, jsapi.RetryMissing(log), s.watch)
}

func (s *Store) watch(ctx context.Context) error {
	s.view.opened()
	defer s.view.setCurrent(false)
	return jsapi.Watch(ctx, s.js, s.kv, func(entry jetstream.KeyValueEntry) error {
		if entry == nil {
			s.view.setCurrent(true)
		} else {
			s.view.apply(read(entry))
		}
		return nil
	})
}

// Recreated writes the settings that are known into the bucket again, which somebody deleted
// and which is there again.
func (s *Store) Recreated(ctx context.Context) error {
	known, _ := s.view.list()
	for _, r := range known {
		if r.Err != nil {
			continue
		}
		r.Recreated = true // its events are stored
		_, err := jsapi.UpdateJSON(ctx, s.kv, Key(r.Plugin, r.Channel), r.Document, 0)
		if err != nil && !jsapi.IsConflict(err) {
			return fmt.Errorf("write the settings of %s again: %w", r.Plugin, err)
		}
	}
	return nil
}

// A view is what the bucket holds, as its watcher delivers it.
type view struct {
	mu      sync.RWMutex
	current bool                // a watcher is open and has delivered all that was stored before
	by      map[string]Revision // by Key
	changed chan struct{}       // closed by the next change, nil if nobody waits for it
}

// awaitLimit is how long Await waits. A bucket that was made anew counts from 1, and may never
// have a revision of the one before.
const awaitLimit = 5 * time.Second

// Await waits until Load returns what a revision of the bucket has set, for awaitLimit at most.
// An event platform.settings may come before the view has its revision.
func (s *Store) Await(ctx context.Context, plugin, channel string, revision uint64) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, awaitLimit)
	defer cancel()
	for {
		changed := s.view.next(Key(plugin, channel), revision)
		if changed == nil {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// next returns what is closed by the view's next change, or nil if it has a revision of a key
// or is not current, as the bucket is read then.
func (v *view) next(key string, revision uint64) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.current || v.by[key].Revision >= revision {
		return nil
	}
	if v.changed == nil {
		v.changed = make(chan struct{})
	}
	return v.changed
}

// wake tells those who wait of a change. The view is locked.
func (v *view) wake() {
	if v.changed != nil {
		close(v.changed)
		v.changed = nil
	}
}

// opened makes the entries of a watcher that is opened replace what is known, also of a
// bucket that was made anew and counts its revisions from 1.
func (v *view) opened() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for key, known := range v.by {
		known.Revision = 0
		v.by[key] = known
	}
}

func (v *view) setCurrent(current bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.current = current
	v.wake()
}

// apply takes a revision unless it has a newer one.
func (v *view) apply(r Revision) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.by == nil {
		v.by = map[string]Revision{}
	}
	if key := Key(r.Plugin, r.Channel); v.by[key].Revision < r.Revision {
		v.by[key] = r
		v.wake()
	}
}

// load is Store's; ok is false if the view is not current.
func (v *view) load(plugin, channel string) (set Set, ok bool, err error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	all, of := v.by[Key(plugin, "")], Revision{}
	if channel != "" {
		of = v.by[Key(plugin, channel)]
	}
	return Set{plugin, all, of}, v.current, errors.Join(all.Err, of.Err)
}

// list is Store's; ok is false if the view is not current.
func (v *view) list() (all []Revision, ok bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, key := range slices.Sorted(maps.Keys(v.by)) {
		if r := v.by[key]; r.Values != nil || r.Err != nil {
			all = append(all, r)
		}
	}
	return all, v.current
}
