package console

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rosey-bot/rosey/internal/recent"
)

const (
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

// newCookieName returns the name of a console's cookie. Browsers send cookies to every
// port of a host, so that two consoles on one need names of their own; the same console
// has the same after a restart.
func newCookieName(address string, channels []Channel) string {
	for _, c := range channels {
		address += " " + c.Site + " " + c.Name
	}
	sum := sha256.Sum256([]byte(address))
	return fmt.Sprintf("rosey_console_%x", sum[:4])
}

func (g *authenticator) cookie(r *http.Request) string { return cookieOf(r, g.cookieName) }

func cookieOf(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie gives the browser its session's ID, or with a negative age takes it.
func (g *authenticator) setCookie(w http.ResponseWriter, r *http.Request, id string, age int) {
	http.SetCookie(w, newCookie(r, g.cookieName, id, age))
}

func newCookie(r *http.Request, name, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: age,
		Secure: r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://"),
	}
}

// sessions are who signed in by password. Only hashes of the IDs are kept.
type sessions struct {
	mu  sync.Mutex
	all map[[32]byte]session
}

type session struct {
	account  account
	lastUsed time.Time
}

func newSessions() *sessions { return &sessions{all: map[[32]byte]session{}} }

func (s *sessions) start(a account) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id = randomID()
	s.all[sha256.Sum256([]byte(id))] = session{a, time.Now()}
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

func (s *sessions) account(id string) (account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(id))
	one, ok := s.all[key]
	if !ok || time.Since(one.lastUsed) > sessionLife {
		delete(s.all, key)
		return account{}, false
	}
	one.lastUsed = time.Now()
	s.all[key] = one
	return one.account, true
}

// active reports whether a session has not ended. Asking does not prolong it.
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

// keep ends the sessions for which it does not hold, and returns how many.
func (s *sessions) keep(holds func(session) bool) (ended int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.all)
	maps.DeleteFunc(s.all, func(_ [32]byte, one session) bool { return !holds(one) })
	return before - len(s.all)
}

// limiter slows down those who guess passwords: each account at each address, so that
// nobody else can use up the tries of one.
type limiter struct {
	mu sync.Mutex
	by *recent.Map[string, *rate.Limiter]
}

const (
	guessEvery = 10 * time.Second // one may try this often…
	guessBurst = 5                // …after so many tries at once
	maxGuesser = 10_000
)

func newLimiter() *limiter { return &limiter{by: recent.NewMap[string, *rate.Limiter](maxGuesser)} }

func (l *limiter) of(guesser string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.by.Get(guesser)
	if !ok {
		one = rate.NewLimiter(rate.Every(guessEvery), guessBurst)
		l.by.Set(guesser, one)
	}
	return one
}

// rateKey returns the addresses whose tries are counted together: who has one address of
// a network of IPv6 has all of it.
func rateKey(from netip.Addr) netip.Addr {
	if from.Is6() {
		if p, err := from.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return from
}
