package console

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
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

// Role is what a visitor may do.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // looks
	Operator Role = "operator" // also changes things
)

// Access says who may use a console. Its zero value lets in everybody who can
// reach the address as an operator, which Listen allows on loopback addresses
// only.
type Access struct {
	// Password and ViewerPassword let in an operator and a viewer whose names nobody
	// knows. Each is a password, or an argon2id hash as HashPassword makes it; empty is none.
	Password, ViewerPassword string
	// Accounts let in those who give their name, which the events of what they do carry.
	Accounts []Account
	// Proxy lets in whom a reverse proxy vouches for.
	Proxy Proxy
}

// Account is a user with a name and a password of their own.
type Account struct {
	Name   string
	Role   Role
	Secret string // the password, or its argon2id hash
}

// Proxy is a reverse proxy that signs users in.
type Proxy struct {
	Header    string         // carries the user's name
	From      []netip.Prefix // addresses from which the header, and X-Forwarded-For, are believed
	Operators []string       // users who are operators; the others are viewers
}

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

// policy is an Access, ready to be used.
type policy struct {
	Access
	accounts []account
}

// open reports whether everybody who reaches the address may use it.
func (p *policy) open() bool { return len(p.accounts) == 0 && p.Proxy.Header == "" }

func newPolicy(a Access) (*policy, error) {
	p := &policy{Access: a}
	shared := []Account{{Role: Operator, Secret: a.Password}, {Role: Viewer, Secret: a.ViewerPassword}}
	for _, from := range slices.Concat(shared, a.Accounts) {
		if from.Secret == "" && from.Name == "" {
			continue
		}
		made, err := newAccount(from)
		if err != nil {
			return nil, fmt.Errorf("the console's password for %s: %w", cmp.Or(from.Name, "a "+string(from.Role)), err)
		}
		p.accounts = append(p.accounts, made)
	}
	if a.Proxy.Header != "" && len(a.Proxy.From) == 0 {
		return nil, fmt.Errorf("the console's proxy: say from which addresses the header %s is to be believed", a.Proxy.Header)
	}
	return p, nil
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

// trusts reports whether the proxy has an address.
func (p Proxy) trusts(ip netip.Addr) bool {
	return slices.ContainsFunc(p.From, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// proxyUser returns the user whom the proxy names.
func (p *policy) proxyUser(r *http.Request) (name string, ok bool) {
	if p.Proxy.Header == "" || !p.Proxy.trusts(remoteAddr(r)) {
		return "", false
	}
	values := r.Header.Values(p.Proxy.Header)
	return strings.Join(values, ""), len(values) == 1 && values[0] != ""
}

// clientAddr returns the visitor's address: that of the connection, or the last of
// X-Forwarded-For that is not a trusted proxy's.
func (p *policy) clientAddr(r *http.Request) netip.Addr {
	client := remoteAddr(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		ip, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil || !p.Proxy.trusts(client) {
			break
		}
		client = ip.Unmap()
	}
	return client
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
