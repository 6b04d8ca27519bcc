package console

import (
	"crypto/sha256"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// cheapHash is a hash that takes no time, as a real one would with a race
// detector at work.
func cheapHash(text string) string {
	hash, err := argon2id.CreateHash(text, &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		panic(err)
	}
	return hash
}

func TestHashes(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "hashes passwords")
	for text, want := range map[string]bool{
		HashPassword("open sesame"): true, cheapHash("open sesame"): true, cheapHash("open says me"): false, "open says me": false,
		// Made by Rosey 1.0, which had its own encoding of hashes.
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdCBmb3IgYSB0ZXN0$I+BUyj3rm1lz55VDLtwkf5E9W41WNIo53Ny4cX+S8IY": true,
	} {
		p, err := newAccount(Account{Role: Operator, Secret: text})
		if err != nil {
			t.Fatal(err)
		}
		if p.matches("open sesame") != want {
			t.Errorf("whether %s is that of the password: %t", text, !want)
		}
	}
}

// Another site that a browser visits can neither act nor read here.
func TestOtherSitesAreKeptOut(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{})
	c := s.client()
	token := s.token(c)
	form := url.Values{"text": {"hello"}, "csrf": {token}}
	for _, test := range []struct {
		name, method, path string
		form               url.Values
		headers            []string
		want               int
	}{
		{"its own page", "POST", "/say", form, []string{"Sec-Fetch-Site: same-origin"}, 303},
		{"a browser without fetch metadata", "POST", "/say", form, []string{"Origin: " + s.url}, 303},
		{"localhost by name", "GET", "/", nil, []string{"Host: localhost:9000"}, 200},
		{"a name that was made to lead here", "GET", "/", nil, []string{"Host: evil.example"}, 421},
		{"an address in a name", "GET", "/", nil, []string{"Host: 127.0.0.1.evil.example"}, 421},
		{"another origin", "POST", "/say", form, []string{"Origin: https://evil.example"}, 403},
		{"another site's form", "POST", "/say", form, []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"another port's form", "POST", "/say", form, []string{"Sec-Fetch-Site: same-site"}, 403},
		{"another site's script", "GET", "/history/rows", nil, []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, 403},
		{"no token", "POST", "/say", url.Values{"text": {"hello"}}, nil, 403},
		{"a token of another browser", "POST", "/say", url.Values{"text": {"hello"}, "csrf": {s.token(s.client())}}, nil, 403},
		{"a change by GET", "GET", "/plugins/dice/pause", nil, nil, 404},
	} {
		if status, body, _ := s.ask(c, test.method, test.path, test.form, test.headers...); status != test.want {
			t.Errorf("%s: status %d, want %d: %s", test.name, status, test.want, body)
		}
	}
	if len(s.said) != 2 {
		t.Errorf("it said %q, want two lines", s.said)
	}
	_, _, h := s.ask(c, "GET", "/", nil)
	if h.Get("Content-Security-Policy") != csp || strings.Contains(csp, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the headers are %v", h)
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{Password: cheapHash("open sesame"), ViewerPassword: cheapHash("look")})
	stranger := s.client()
	for _, path := range []string{"/", "/history", "/plugins", "/data/x"} {
		if status, _, h := s.ask(stranger, "GET", path, nil); status != 303 || !strings.HasPrefix(h.Get("Location"), "/login?to=") {
			t.Errorf("a stranger gets %s: %d to %q", path, status, h.Get("Location"))
		}
	}
	for _, path := range []string{"/events?after=0", "/plugins/events"} {
		if status, _, _ := s.ask(stranger, "GET", path, nil, "Accept: text/event-stream"); status != 401 {
			t.Errorf("a stranger gets %s: %d", path, status)
		}
	}
	if status, _, _ := s.ask(stranger, "POST", "/say", url.Values{"text": {"hello"}}); status != 401 {
		t.Errorf("a stranger speaks: %d", status)
	}
	signIn := func(password, to string) (*http.Client, string) {
		c := s.client()
		status, body, h := s.ask(c, "POST", "/login", url.Values{"password": {password}, "to": {to}})
		if status != 303 {
			t.Fatalf("%q: %d %s", password, status, body)
		}
		if cookie := h.Get("Set-Cookie"); !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") {
			t.Errorf("the cookie is %s", cookie)
		}
		return c, h.Get("Location")
	}
	operator, to := signIn("open sesame", "/history?q=a")
	if to != "/history?q=a" {
		t.Errorf("after signing in one is at %s", to)
	}
	if status, _, _ := s.ask(operator, "POST", "/say", url.Values{"text": {"hello"}, "csrf": {s.token(operator)}}); status != 303 {
		t.Errorf("an operator speaks: %d", status)
	}
	viewer, to := signIn("look", "//evil.example/")
	if to != "/" {
		t.Errorf("after signing in one is at %s", to)
	}
	for _, path := range []string{"/say", "/plugins/dice/pause", "/dead/PLUGIN:1/drop"} {
		if status, _, _ := s.ask(viewer, "POST", path, url.Values{"text": {"hello"}, "csrf": {s.token(viewer)}}); status != 403 {
			t.Errorf("a viewer changes %s: %d", path, status)
		}
	}
	if _, body, _ := s.ask(viewer, "GET", "/", nil); strings.Contains(body, `id="say"`) || !strings.Contains(body, "look, not change") {
		t.Error("a viewer's page lets one type")
	}
	if status, _, _ := s.ask(operator, "POST", "/logout", nil); status != 303 {
		t.Errorf("signing out: %d", status)
	}
	if status, _, _ := s.ask(operator, "GET", "/plugins", nil); status != 303 {
		t.Errorf("signed out, one gets the page: %d", status)
	}
}

// The event streams of a session that signed out send nothing more.
func TestSigningOutEndsUpdates(t *testing.T) {
	streamstest.Slow(t, "waits for a session to end")
	t.Parallel()
	s := serve(t, Access{Password: cheapHash("open sesame")})
	c := s.client()
	if status, body, _ := s.ask(c, "POST", "/login", url.Values{"password": {"open sesame"}}); status != 303 {
		t.Fatalf("%d %s", status, body)
	}
	live, part := s.listen(c, "/events?after=0"), s.listen(c, "/streams/events")
	live.next("hello")
	part.next("part")
	s.chat("alice", "hello")
	live.next("side")
	part.next("part") // while one is signed in both go on
	if status, _, _ := s.ask(c, "POST", "/logout", nil); status != 303 {
		t.Errorf("signing out: %d", status)
	}
	for _, e := range []*sse{live, part} {
		if _, err := io.Copy(io.Discard, e.r); err != nil {
			t.Errorf("%s goes on: %v", e.resp.Request.URL.Path, err)
		}
	}
}

func TestGuessingIsSlowed(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{Password: cheapHash("open sesame")})
	for range 2 * guessBurst {
		if status, _, _ := s.ask(s.client(), "POST", "/login", url.Values{"password": {"open sesame"}}); status != http.StatusSeeOther {
			t.Fatalf("the right password counts as a guess: %d", status)
		}
	}
	c := s.client()
	var last int
	for range guessBurst + 1 {
		last, _, _ = s.ask(c, "POST", "/login", url.Values{"password": {"guess"}})
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("after %d tries: %d", guessBurst+1, last)
	}
	if status, _, _ := s.ask(c, "POST", "/login", url.Values{"password": {"open sesame"}}); status != http.StatusTooManyRequests {
		t.Errorf("the right password, too soon: %d", status)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{Proxy: Proxy{Header: "X-Forwarded-User", From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Operators: []string{"alice"}}})
	c := s.client()
	if status, _, _ := s.ask(c, "GET", "/", nil); status != 403 {
		t.Errorf("without the header: %d", status)
	}
	alice, bob := "X-Forwarded-User: alice", "X-Forwarded-User: bob"
	if status, _, _ := s.ask(c, "POST", "/say", url.Values{"text": {"hello"}, "csrf": {s.token(c, alice)}}, alice); status != 303 {
		t.Errorf("alice speaks: %d", status)
	}
	if status, _, _ := s.ask(c, "POST", "/say", url.Values{"text": {"hello"}, "csrf": {s.token(c, alice)}}, bob); status != 403 {
		t.Errorf("bob speaks: %d", status)
	}
	far := serve(t, Access{Proxy: Proxy{Header: "X-Forwarded-User", From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
	if status, _, _ := far.ask(far.client(), "GET", "/", nil, alice); status != 403 {
		t.Errorf("the header from elsewhere: %d", status)
	}
}

// A session ends with its time, or when too many are newer, and looking whether it
// lasts is no use of it.
func TestSessionsLast(t *testing.T) {
	t.Parallel()
	s := newSessions()
	used := func(id string, ago time.Duration) {
		key := sha256.Sum256([]byte(id))
		one := s.all[key]
		one.lastUsed = time.Now().Add(-ago)
		s.all[key] = one
	}
	first, second := s.start(account{role: Viewer}), s.start(account{role: Viewer})
	used(first, sessionLife/2)
	used(second, sessionLife*2)
	if !s.active(first) || s.active(second) || s.active("") {
		t.Error("a session that was used lately is over, or one that was not goes on")
	}
	for range maxSessions {
		s.start(account{role: Viewer})
	}
	if s.active(first) {
		t.Error("the session used longest ago goes on when there are too many")
	}
}

// After signing in one is on this site, whatever a link to the page asked for.
func TestLocalPath(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"/": "/", "/history?q=a b&x=%09#y": "/history?q=a b&x=%09#y", "/data/ü": "/data/ü",
		"": "/", "history": "/", "https://evil.example": "/", "//evil.example": "/", "///evil.example": "/", `/\evil.example`: "/", `\\evil.example`: "/",
		"/\t/evil.example": "/", "/\n/evil.example": "/", "/\r/evil.example": "/", "/\x00/evil.example": "/", "/\x1f/evil.example": "/", "/\x7f/evil.example": "/",
		"\t//evil.example": "/", " //evil.example": "/", "/a\tb": "/",
	} {
		if got := localPath(to); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}
