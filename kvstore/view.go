package kvstore

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/rosey-bot/rosey/event"
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
	share    *share // of the view; nil with follower
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
		c.bucket.store.memory.remove(c.share)
	}
	c.share, c.follower = nil, nil
}

// current returns the view once every entry is in it that was stored before the call.
// It returns errTooLarge where the collection has no room in memory, and errForgotten
// once the cache is closed.
func (c *viewCache) current(ctx context.Context) (*query.View, error) {
	for range 3 {
		s, f, err := c.follow(ctx)
		if err != nil {
			return nil, err
		}
		if err = f.catchUp(ctx); err == nil {
			c.bucket.store.memory.use(s)
			return s.view, nil
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
func (c *viewCache) existing() (*share, *follower) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.share, c.follower
}

func (c *viewCache) follow(ctx context.Context) (*share, *follower, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, errForgotten
	case c.tooLarge:
		return nil, nil, errTooLarge
	case c.share != nil:
		return c.share, c.follower, nil
	}
	memory := &c.bucket.store.memory
	s := &share{view: query.NewView(memory.limit)}
	f, err := c.bucket.follow(ctx, false, func(e entry) error {
		var r *query.Row
		if !e.deleted() {
			r = c.bucket.row(e)
		}
		if !s.view.Apply(e.id, r) {
			return errTooLarge
		}
		memory.resize(s)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	s.evict = func() { c.evict(f) }
	memory.add(s)
	c.share, c.follower = s, f
	return s, f, nil
}

// evict ends the view that f feeds.
func (c *viewCache) evict(f *follower) {
	f.stop(errEvicted)
	c.mu.Lock()
	if c.follower == f {
		c.share, c.follower = nil, nil
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
		b.store.log.Warn("record is not valid JSON, skipped: set it again", "collection", b.collection, "id", event.Personal(e.id), "revision", e.revision, "error", event.Loggable(err))
		return nil
	}
	return &query.Row{ID: e.id, Revision: e.revision, Data: string(data)}
}

// A memoryBudget bounds what all views of a Store take together. Where that is too
// much it evicts those that were queried longest ago.
type memoryBudget struct {
	limit int64

	mu     sync.Mutex
	shares []*share // in the order of their last use
	total  int64    // bytes
}

// A share is what one view takes of the budget.
type share struct {
	view  *query.View
	bytes int64
	evict func() // called in a goroutine once others need the memory
}

func (m *memoryBudget) add(s *share) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shares = append(m.shares, s)
}

// use notes that a query uses the view.
func (m *memoryBudget) use(s *share) {
	m.mu.Lock()
	if i := slices.Index(m.shares, s); i >= 0 {
		m.shares = append(slices.Delete(m.shares, i, i+1), s)
	}
	m.mu.Unlock()
	m.resize(s)
}

// resize counts what the view takes now, and evicts others to make room for it.
func (m *memoryBudget) resize(s *share) {
	bytes := s.view.Size()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(m.shares, s) {
		return
	}
	m.total += bytes - s.bytes
	s.bytes = bytes
	for m.total > m.limit && len(m.shares) > 1 {
		oldest := m.shares[0]
		if oldest == s {
			oldest = m.shares[1]
		}
		m.drop(oldest)
		go oldest.evict()
	}
}

// remove ends the counting of a view.
func (m *memoryBudget) remove(s *share) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(s)
}

func (m *memoryBudget) drop(s *share) {
	if i := slices.Index(m.shares, s); i >= 0 {
		m.shares = slices.Delete(m.shares, i, i+1)
		m.total -= s.bytes
	}
}
