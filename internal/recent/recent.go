// Package recent remembers what was met lately, and forgets what was met before.
package recent

import "sync"

// Map holds the values of the keys that came last, up to a limit: a new key pushes
// out the one that has been there for longest. It is safe for concurrent use.
type Map[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]V
	keys   []K // in the order in which they came, from next on
	next   int
	limit  int
}

// NewMap makes a Map of at most limit keys. It takes no room before it has some.
func NewMap[K comparable, V any](limit int) *Map[K, V] {
	return &Map[K, V]{values: map[K]V{}, limit: limit}
}

// Get is the value of a key; ok is false where there is none, or none any more.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok = m.values[key]
	return value, ok
}

// Set sets the value of a key. One that is there keeps its place.
func (m *Map[K, V]) Set(key K, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.values[key]; !known {
		m.place(key)
	}
	m.values[key] = value
}

func (m *Map[K, V]) place(key K) {
	if len(m.keys) < m.limit {
		m.keys = append(m.keys, key)
		return
	}
	delete(m.values, m.keys[m.next])
	m.keys[m.next] = key
	m.next = (m.next + 1) % m.limit
}
