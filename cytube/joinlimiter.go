package cytube

import (
	"context"
	"math"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// DefaultJoinsPerSecond is how many connections a second a bot opens to one site.
const DefaultJoinsPerSecond = 5

// JoinLimiter limits the rate at which the connectors of a process connect to a site,
// so that they do not overrun it when the bot or the site restarts. Each site has a
// limit of its own, by its host. A nil JoinLimiter has no limit. It is safe for
// concurrent use.
type JoinLimiter struct {
	perSecond float64

	mu    sync.Mutex
	sites map[string]*rate.Limiter
}

// NewJoinLimiter returns a JoinLimiter that lets so many connectors a second connect,
// and as many at once after a pause.
func NewJoinLimiter(perSecond float64) *JoinLimiter {
	return &JoinLimiter{perSecond: perSecond, sites: map[string]*rate.Limiter{}}
}

// wait returns when a connector may connect to a site, first come, first served, or
// with an error once ctx ends.
func (l *JoinLimiter) wait(ctx context.Context, site string) error {
	if l == nil {
		return nil
	}
	return l.limiter(site).Wait(ctx)
}

func (l *JoinLimiter) limiter(site string) *rate.Limiter {
	host := site
	if u, err := url.Parse(site); err == nil && u.Host != "" {
		host = u.Host
	}
	host = strings.ToLower(host)
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.sites[host]
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Limit(l.perSecond), max(1, int(math.Ceil(l.perSecond))))
		l.sites[host] = limiter
	}
	return limiter
}
