package cytube

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/sender"
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
					if err := a.wait(t.Context(), s, false); err != nil {
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
		if diff := cmp.Diff([]time.Duration{0, 0, 0, 0, 0, half, 2 * half}, arrive(site, same, site, same, site, site, site)); diff != "" {
			t.Error(diff)
		}
		began = time.Now()
		if diff := cmp.Diff([]time.Duration{0, 0}, arrive(other, other)); diff != "" {
			t.Error(diff)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := a.wait(gone, site, false); err == nil || time.Since(began) > 0 {
			t.Errorf("who is gone waited for %s: %v", time.Since(began), err)
		}
		if err := (*JoinLimiter)(nil).wait(t.Context(), site, true); err != nil {
			t.Error(err)
		}
	})
}

// Attempts at a site that is down leave the connections to when it is back.
func TestAttemptsAtASiteThatIsDown(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.NotFoundHandler())
	site.Close()
	l := NewJoinLimiter(DefaultJoinsPerSecond)
	c := &Connector{cfg: Config{Config: sender.Config{Channel: "lounge"}, Site: site.URL, HTTPClient: site.Client(), JoinLimiter: l}}
	for range 2 * joinBurst {
		if _, _, err := c.attempt(t.Context(), false); err == nil || t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
	if left := l.limiter(site.URL).connections.Tokens(); left < joinBurst {
		t.Errorf("%.1f of %d connections are left", left, joinBurst)
	}
}

// The default is what a CyTube server takes from an address: five at once, then one each
// ten seconds.
func TestJoinLimiterDefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, began := NewJoinLimiter(DefaultJoinsPerSecond), time.Now()
		var at []time.Duration
		for range 7 {
			if err := l.wait(t.Context(), "https://cytu.be", false); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(began).Round(time.Second))
		}
		if diff := cmp.Diff([]time.Duration{0, 0, 0, 0, 0, 10 * time.Second, 20 * time.Second}, at); diff != "" {
			t.Error(diff)
		}
	})
}

// Guests come as they like until the site refuses one, and from then on one after
// another; those with an account do not wait for them.
func TestJoinLimiterGuests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, began := NewJoinLimiter(1000), time.Now()
		arrive := func(guest bool) time.Duration {
			if err := l.wait(t.Context(), "https://cytu.be", guest); err != nil {
				t.Fatal(err)
			}
			return time.Since(began).Round(time.Second)
		}
		at := []time.Duration{arrive(true), arrive(true)}
		l.refusedGuest("https://cytu.be", time.Minute)
		at = append(at, arrive(false), arrive(true), arrive(true), arrive(false))
		if diff := cmp.Diff([]time.Duration{0, 0, 0, time.Minute, 2 * time.Minute, 2 * time.Minute}, at); diff != "" {
			t.Error(diff)
		}
	})
}
