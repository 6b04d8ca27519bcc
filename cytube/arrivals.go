package cytube

import (
	"context"
	"math"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// DefaultArrivals is how many connections a second a bot opens to one site.
const DefaultArrivals = 5

// Arrivals is what the connectors of a process share so that a site is not met by
// all of them at once, when the bot starts or the site does. Each site, told by
// its host, has its own limit. Nil has none. It is safe for concurrent use.
type Arrivals struct {
	perSecond float64

	mu    sync.Mutex
	sites map[string]*rate.Limiter
}

// NewArrivals lets so many connectors through a second, and as many at once after
// a pause.
func NewArrivals(perSecond float64) *Arrivals {
	return &Arrivals{perSecond: perSecond, sites: map[string]*rate.Limiter{}}
}

// wait returns when a connector may connect to a site, in the order in which they
// asked, or with an error once ctx ends.
func (a *Arrivals) wait(ctx context.Context, site string) error {
	if a == nil {
		return nil
	}
	return a.limiter(site).Wait(ctx)
}

func (a *Arrivals) limiter(site string) *rate.Limiter {
	host := site
	if u, err := url.Parse(site); err == nil && u.Host != "" {
		host = u.Host
	}
	host = strings.ToLower(host)
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.sites[host]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(a.perSecond), max(1, int(math.Ceil(a.perSecond))))
		a.sites[host] = l
	}
	return l
}
