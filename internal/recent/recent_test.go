package recent_test

import (
	"sync"
	"testing"

	"github.com/rosey-bot/rosey/internal/recent"
)

func TestMap(t *testing.T) {
	t.Parallel()
	const limit = 4
	m := recent.NewMap[int, string](limit)
	if _, ok := m.Get(0); ok {
		t.Error("an empty map has a value")
	}
	for i := range 3 * limit {
		m.Set(i, "old")
		m.Set(i, "new") // takes no other's place
		for key := range i + 1 {
			want := key > i-limit
			if value, ok := m.Get(key); ok != want || ok && value != "new" {
				t.Errorf("after %d keys, %d is %q, %v", i+1, key, value, ok)
			}
		}
	}
	m.Set(2*limit, "newer") // the oldest that is left, which stays the oldest
	m.Set(-1, "")
	if value, ok := m.Get(2 * limit); ok {
		t.Errorf("the oldest key is still there, with %q", value)
	}
}

func TestMapIsShared(t *testing.T) {
	t.Parallel()
	m := recent.NewMap[int, int](8)
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for n := range 1000 {
				m.Set(n%(i+9), n%(i+9))
				if v, ok := m.Get(n); ok && v != n {
					t.Errorf("%d is %d", n, v)
				}
			}
		})
	}
	wait.Wait()
}
