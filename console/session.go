package console

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	cookieName = "rosey_console"
	// sessionLife is how long a session lasts after it was last used.
	sessionLife = 12 * time.Hour
	// maxSessions is how many there may be; the one used longest ago goes.
	maxSessions = 1000
	// idLength is how long a session's ID is.
	idLength = 43
)

func randomID() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func cookie(r *http.Request) string {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie gives the browser its session's ID, or with a negative age takes it.
func setCookie(w http.ResponseWriter, r *http.Request, id string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: age,
		Secure: r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://"),
	})
}

// sessions are who signed in by password. Only hashes of the IDs are kept.
type sessions struct {
	mu  sync.Mutex
	all map[[32]byte]session
}

type session struct {
	role     Role
	lastUsed time.Time
}

func newSessions() *sessions { return &sessions{all: map[[32]byte]session{}} }

func (s *sessions) start(role Role) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id = randomID()
	s.all[sha256.Sum256([]byte(id))] = session{role, time.Now()}
	if len(s.all) > maxSessions {
		var oldest [32]byte
		var at time.Time
		for key, one := range s.all {
			if at.IsZero() || one.lastUsed.Before(at) {
				oldest, at = key, one.lastUsed
			}
		}
		delete(s.all, oldest)
	}
	return id
}

func (s *sessions) role(id string) (Role, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(id))
	one, ok := s.all[key]
	if !ok || time.Since(one.lastUsed) > sessionLife {
		delete(s.all, key)
		return "", false
	}
	one.lastUsed = time.Now()
	s.all[key] = one
	return one.role, true
}

// lasts reports whether a session has not ended. Asking does not prolong it.
func (s *sessions) active(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.all[sha256.Sum256([]byte(id))]
	return ok && time.Since(one.lastUsed) <= sessionLife
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(id)))
}

// limiter slows down those who guess passwords: each address, and all of them
// together.
type limiter struct {
	mu  sync.Mutex
	all *rate.Limiter
	by  map[netip.Addr]*rate.Limiter
}

const (
	guessEvery = 10 * time.Second // an address may try this often…
	guessBurst = 5                // …after so many tries at once
	maxGuesser = 10_000
)

func newLimiter() *limiter {
	return &limiter{all: rate.NewLimiter(2, 50), by: map[netip.Addr]*rate.Limiter{}}
}

func (l *limiter) allow(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	from = rateKey(from)
	one := l.by[from]
	if one == nil {
		if len(l.by) >= maxGuesser {
			clear(l.by)
		}
		one = rate.NewLimiter(rate.Every(guessEvery), guessBurst)
		l.by[from] = one
	}
	return one.Allow() && l.all.Allow()
}

// refund gives back a try that was allowed, as it was no guess. It was counted
// before it was known for one, or many at once would all be allowed.
func (l *limiter) refund(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if one := l.by[rateKey(from)]; one != nil {
		one.AllowN(now, -1)
	}
	l.all.AllowN(now, -1)
}

// guesser is whose tries are counted together: who has one address of a network of
// IPv6 has all of it.
func rateKey(from netip.Addr) netip.Addr {
	if from.Is6() {
		if p, err := from.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return from
}
