package console

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// csp allows what the console's own pages need, and nothing else.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

var headers = map[string]string{
	"Content-Security-Policy":      csp,
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cache-Control":                "no-store",
	"Permissions-Policy":           "camera=(), microphone=(), geolocation=()",
}

// authenticator decides who may do what.
type authenticator struct {
	policy     atomic.Pointer[policy]
	load       func() (Access, error) // reads the policy again; nil if it cannot change
	reloading  sync.Mutex
	loaded     time.Time
	sessions   *sessions
	limiter    *limiter
	origin     *http.CrossOriginProtection
	key        []byte // of CSRF tokens
	cookieName string
	log        *slog.Logger
}

func newAuthenticator(a Access, load func() (Access, error), log *slog.Logger) (*authenticator, error) {
	p, err := newPolicy(a)
	if err != nil {
		return nil, err
	}
	g := &authenticator{
		load: load, loaded: time.Now(), sessions: newSessions(), limiter: newLimiter(), origin: http.NewCrossOriginProtection(), key: make([]byte, 32), log: log,
	}
	g.policy.Store(p)
	rand.Read(g.key)
	return g, nil
}

// reloadInterval is how old what is known of the files of passwords may be.
const reloadInterval = time.Second

// current returns the policy, after a look at what it is made of. A change ends the
// sessions of those whose password or role is another, or who are no longer there.
func (g *authenticator) current() *policy {
	old := g.policy.Load()
	if g.load == nil || !g.reloading.TryLock() {
		return old
	}
	defer g.reloading.Unlock()
	if time.Since(g.loaded) < reloadInterval {
		return old
	}
	g.loaded = time.Now()
	access, err := g.load()
	if err == nil && reflect.DeepEqual(access, old.Access) {
		return old
	}
	var changed *policy
	if err == nil {
		changed, err = newPolicy(access)
	}
	if err == nil && changed.open() != old.open() {
		err = errors.New("it would let everybody in, or nobody: restart the bot")
	}
	if err != nil {
		g.log.Warn("console: access not reloaded, the former holds", "error", err)
		return old
	}
	g.policy.Store(changed)
	ended := g.sessions.keep(func(s session) bool {
		return slices.ContainsFunc(changed.accounts, func(a account) bool { return a.same(s.account) })
	})
	g.log.Info("console: access reloaded", "accounts", len(changed.accounts), "sessions_ended", ended)
	return changed
}

// protect is around everything: it refuses requests that another site makes a
// browser send, or that came here by a name that is not ours.
func (g *authenticator) protect(next http.Handler) http.Handler {
	checked := g.origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if g.current().open() && !isLoopbackHost(r.Host) {
			// A name of another site that was made to lead here (DNS rebinding).
			http.Error(w, "ask for 127.0.0.1 or localhost", http.StatusMisdirectedRequest)
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			http.Error(w, "not for other sites", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		checked.ServeHTTP(w, r)
	})
}

// isLoopbackHost reports whether a Host header names this machine's loopback.
func isLoopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return isLoopback(strings.Trim(host, "[]"))
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// visitor is who makes a request.
type visitor struct {
	name    string
	role    Role
	session bool // by password, which can be taken back
	id      string
}

type visitorKey struct{}

func visitorOf(r *http.Request) visitor {
	v, _ := r.Context().Value(visitorKey{}).(visitor)
	return v
}

// identify says who makes a request; ok is false for a stranger.
func (g *authenticator) identify(w http.ResponseWriter, r *http.Request) (v visitor, ok bool) {
	p := g.current()
	if p.open() {
		// The session stands for no right here; it ties forms to this browser.
		id := g.cookie(r)
		if len(id) != idLength {
			id = randomID()
			g.setCookie(w, r, id, 0)
		}
		return visitor{name: "", role: Operator, id: id}, true
	}
	if name, ok := p.proxyUser(r); ok {
		v := visitor{name: name, role: Viewer, id: "proxy/" + name}
		if slices.Contains(p.Proxy.Operators, name) {
			v.role = Operator
		}
		return v, true
	}
	id := g.cookie(r)
	a, ok := g.sessions.account(id)
	return visitor{name: cmp.Or(a.name, string(a.role)), role: a.role, session: true, id: id}, ok
}

// stillSignedIn reports whether the visitor who made a request is one still: a session
// may have ended since.
func (g *authenticator) stillSignedIn(r *http.Request) bool {
	g.current()
	v := visitorOf(r)
	return !v.session || g.sessions.active(v.id)
}

// remoteAddr returns the address at the other end of the connection.
func remoteAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// signedIn lets only visitors pass.
func (g *authenticator) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, ok := g.identify(w, r)
		switch {
		case ok:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)))
		case len(g.current().accounts) == 0:
			http.Error(w, "come through the proxy", http.StatusForbidden)
		case r.Method != http.MethodGet || fromScript(r) || r.Header.Get("Accept") == "text/event-stream":
			http.Error(w, "sign in", http.StatusUnauthorized)
		default:
			http.Redirect(w, r, "/login?to="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		}
	})
}

// operator lets only operators pass who sent the token of their own page.
func (g *authenticator) operator(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitorOf(r)
		switch {
		case v.role != Operator:
			http.Error(w, "operators only", http.StatusForbidden)
		case !g.tokenOK(r):
			http.Error(w, "this page is out of date: load it again", http.StatusForbidden)
		default:
			g.log.InfoContext(r.Context(), "console: operator action", "path", r.URL.Path, "user", v.name, "from", g.current().clientAddr(r).String())
			next.ServeHTTP(w, r)
		}
	})
}

// rights are what a part of a page needs to offer changes.
type rights struct {
	Operator bool
	CSRF     string
}

func (g *authenticator) rights(r *http.Request) rights {
	return rights{visitorOf(r).role == Operator, g.token(r)}
}

// token is what a form must send back to show that it is from a page of ours.
func (g *authenticator) token(r *http.Request) string {
	m := hmac.New(sha256.New, g.key)
	m.Write([]byte(visitorOf(r).id))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (g *authenticator) tokenOK(r *http.Request) bool {
	sent := r.Header.Get("X-CSRF-Token")
	if sent == "" {
		sent = r.PostFormValue("csrf")
	}
	return hmac.Equal([]byte(sent), []byte(g.token(r)))
}
