package cytube

import (
	"context"
	"math"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rosey-bot/rosey/internal/retry"
)

// The limit of a CyTube server for the connections of an address: so many at once, then
// one each 10 s.
const (
	DefaultJoinsPerSecond = 0.1
	joinBurst             = 5
)

// JoinLimiter limits the rate at which the connectors of a process connect to a site and
// log in there as guests, so that the site does not refuse them when the bot or the site
// restarts. Each site has a limit of its own, by its host. A nil JoinLimiter has no
// limit. It is safe for concurrent use.
type JoinLimiter struct {
	perSecond float64

	mu    sync.Mutex
	sites map[string]*siteLimit
}

// siteLimit is the limit of one site.
type siteLimit struct {
	connections *rate.Limiter
	guestEvery  time.Duration // between two logins of guests; 0 until the site has refused one
	nextGuest   time.Time
}

// NewJoinLimiter returns a JoinLimiter that lets so many connectors a second connect,
// and after a pause as many at once, but five at least.
func NewJoinLimiter(perSecond float64) *JoinLimiter {
	return &JoinLimiter{perSecond: perSecond, sites: map[string]*siteLimit{}}
}

// wait returns when a connector may connect to a site, as a guest or with an account,
// first come, first served, or with an error once ctx ends.
func (l *JoinLimiter) wait(ctx context.Context, site string, guest bool) error {
	if l == nil {
		return nil
	}
	if guest {
		if err := retry.Sleep(ctx, l.reserveGuest(site)); err != nil {
			return err
		}
	}
	return l.limiter(site).connections.Wait(ctx)
}

// reserveGuest returns how long a guest must wait for its login.
func (l *JoinLimiter) reserveGuest(site string) time.Duration {
	limit := l.limiter(site)
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit.guestEvery == 0 {
		return 0
	}
	now := time.Now()
	at := limit.nextGuest
	if at.Before(now) {
		at = now
	}
	limit.nextGuest = at.Add(limit.guestEvery)
	return at.Sub(now)
}

// refusedGuest notes that a site refused a guest because of another one's login, and how
// long it keeps them apart. From then on no connector tries earlier.
func (l *JoinLimiter) refusedGuest(site string, every time.Duration) {
	if l == nil {
		return
	}
	limit := l.limiter(site)
	l.mu.Lock()
	defer l.mu.Unlock()
	limit.guestEvery = every
	if next := time.Now().Add(every); next.After(limit.nextGuest) {
		limit.nextGuest = next
	}
}

func (l *JoinLimiter) limiter(site string) *siteLimit {
	host := site
	if u, err := url.Parse(site); err == nil && u.Host != "" {
		host = u.Host
	}
	host = strings.ToLower(host)
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.sites[host]
	if limiter == nil {
		limiter = &siteLimit{connections: rate.NewLimiter(rate.Limit(l.perSecond), max(joinBurst, int(math.Ceil(l.perSecond))))}
		l.sites[host] = limiter
	}
	return limiter
}
