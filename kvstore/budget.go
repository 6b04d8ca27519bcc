package kvstore

import (
	"sync"

	"github.com/rosey-bot/rosey/kvstore/query"
)

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
