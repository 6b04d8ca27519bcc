package cytube

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Of many at once some are let through, then the rest one by one; another site
// has a limit of its own, and who need not connect any more does not wait.
func TestJoinLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := NewJoinLimiter(2)
		began := time.Now()
		arrive := func(sites ...string) (at []time.Duration) {
			var mu sync.Mutex
			var all sync.WaitGroup
			for _, s := range sites {
				all.Go(func() {
					if err := a.wait(t.Context(), s); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					at = append(at, time.Since(began))
				})
			}
			all.Wait()
			slices.Sort(at)
			return at
		}
		const site, same, other = "https://cytu.be", "https://CYTU.be/", "https://cytube.example"
		half := time.Second / 2
		if diff := cmp.Diff([]time.Duration{0, 0, half, 2 * half, 3 * half}, arrive(site, same, site, same, site)); diff != "" {
			t.Error(diff)
		}
		began = time.Now()
		if diff := cmp.Diff([]time.Duration{0, 0}, arrive(other, other)); diff != "" {
			t.Error(diff)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := a.wait(gone, site); err == nil || time.Since(began) > 0 {
			t.Errorf("who is gone waited for %s: %v", time.Since(began), err)
		}
		if err := (*JoinLimiter)(nil).wait(t.Context(), site); err != nil {
			t.Error(err)
		}
	})
}
