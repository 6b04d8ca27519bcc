package kvstore

import (
	"context"
	"errors"
	"sync"

	"github.com/rosey-bot/rosey/kvstore/query"
)

var (
	errTooLarge  = errors.New("the collection is larger than the memory limit")
	errEvicted   = errors.New("other collections needed the view's memory")
	errForgotten = errors.New("the collection was opened anew meanwhile")
)

// A viewCache keeps a bucket's view: made by the first query and fed by a follower
// from then on.
type viewCache struct {
	bucket *bucket

	mu       sync.Mutex
	view     *query.View
	follower *follower
	closed   bool // a view made from now on would never be stopped
	tooLarge bool
	records  int // that the collection had when it was found too large; 0: not counted yet
}

// close ends the view, also for those who wait for it to catch up.
func (c *viewCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.stop()
}

func (c *viewCache) stop() {
	if c.follower != nil {
		c.follower.stop(errLost)
		c.bucket.store.memory.remove(c.view)
	}
	c.view, c.follower = nil, nil
}

// current returns the view once every entry is in it that was stored before the call.
// It returns errTooLarge where the collection has no room in memory, and errForgotten
// once the cache is closed.
func (c *viewCache) current(ctx context.Context) (*query.View, error) {
	for range 3 {
		v, f, err := c.follow(ctx)
		if err != nil {
			return nil, err
		}
		if err = f.catchUp(ctx); err == nil {
			c.bucket.store.memory.use(v)
			return v, nil
		}
		if errors.Is(err, errEvicted) {
			return nil, errTooLarge // until the next query, which others may not push out
		}
		if !errors.Is(err, errLost) && !errors.Is(err, errTooLarge) {
			return nil, err
		}
		c.mu.Lock()
		if c.follower == f {
			c.stop()
		}
		c.tooLarge = c.tooLarge || errors.Is(err, errTooLarge)
		c.mu.Unlock()
	}
	return nil, errLost
}

// existing returns the view and its follower, if there is one.
func (c *viewCache) existing() (*query.View, *follower) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view, c.follower
}

func (c *viewCache) follow(ctx context.Context) (*query.View, *follower, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, errForgotten
	case c.tooLarge:
		return nil, nil, errTooLarge
	case c.view != nil:
		return c.view, c.follower, nil
	}
	v := query.NewView(c.bucket.store.memoryLimit)
	f, err := c.bucket.follow(ctx, false, func(e entry) error {
		var r *query.Row
		if !e.deleted() {
			r = c.bucket.row(e)
		}
		if !v.Apply(e.id, r) {
			return errTooLarge
		}
		c.bucket.store.memory.resize(v)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	c.bucket.store.memory.add(v, func() { c.evict(f) })
	c.view, c.follower = v, f
	return v, f, nil
}

// evict ends the view that f feeds.
func (c *viewCache) evict(f *follower) {
	f.stop(errEvicted)
	c.mu.Lock()
	if c.follower == f {
		c.view, c.follower = nil, nil
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), RequestTimeout)
	defer cancel()
	f.discard(ctx)
}

// shrunk decides by how many records there are whether the next view may have room
// again, after one did not.
func (c *viewCache) shrunk(records int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.records == 0 {
		c.records = records
	}
	if records >= c.records-c.records/5 {
		return false
	}
	c.tooLarge, c.records = false, 0
	return true
}

// row returns a live entry as queries see it, or nil where that is no record.
func (b *bucket) row(e entry) *query.Row {
	data, err := e.document()
	if err != nil {
		b.store.log.Warn("record is not valid JSON, skipped: set it again", "collection", b.collection, "id", string(e.id), "error", err)
		return nil
	}
	return &query.Row{ID: e.id, Revision: e.revision, Data: string(data)}
}

// A memoryBudget bounds what all views of a Store take together. Where that is too
// much it evicts those that were least recently used.
type memoryBudget struct {
	limit int64

	mu    sync.Mutex
	views map[*query.View]*share
	total int64
	uses  int64 // counts the calls of use
}

// A share is what one view takes of the budget.
type share struct {
	bytes int64
	used  int64 // the memoryBudget's uses at the last one
	evict func()
}

// add begins to count a view. If others need its memory it is no longer counted, and
// evict is called in a goroutine.
func (m *memoryBudget) add(v *query.View, evict func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uses++
	m.views[v] = &share{used: m.uses, evict: evict}
}

// use notes that a query uses the view.
func (m *memoryBudget) use(v *query.View) {
	m.mu.Lock()
	if s, ok := m.views[v]; ok {
		m.uses++
		s.used = m.uses
	}
	m.mu.Unlock()
	m.resize(v)
}

// resize counts what the view takes now, and evicts others to make room for it.
func (m *memoryBudget) resize(v *query.View) {
	bytes := v.Size()
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.views[v]
	if !ok {
		return
	}
	m.total += bytes - s.bytes
	s.bytes = bytes
	for m.total > m.limit && len(m.views) > 1 {
		oldest := m.oldest(v)
		go m.views[oldest].evict()
		m.drop(oldest)
	}
}

// oldest returns the view other than v that was least recently used.
func (m *memoryBudget) oldest(v *query.View) (oldest *query.View) {
	for other, s := range m.views {
		if other != v && (oldest == nil || s.used < m.views[oldest].used) {
			oldest = other
		}
	}
	return oldest
}

// remove ends the counting of a view.
func (m *memoryBudget) remove(v *query.View) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(v)
}

func (m *memoryBudget) drop(v *query.View) {
	if s, ok := m.views[v]; ok {
		m.total -= s.bytes
		delete(m.views, v)
	}
}
