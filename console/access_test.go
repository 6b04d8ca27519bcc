package console

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// signIn signs a browser in, and returns the status.
func (s *served) signIn(c *http.Client, name, password string, headers ...string) int {
	s.t.Helper()
	status, _, _ := s.ask(c, "POST", "/login", url.Values{"name": {name}, "password": {password}}, headers...)
	return status
}

// until waits until a condition holds.
func (s *served) until(holds func() bool) {
	s.t.Helper()
	err := retry.Do(streamstest.Context(s.t), retry.Every(10*time.Millisecond), func(context.Context) error {
		if !holds() {
			return errors.New("the condition does not hold")
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// Who guesses is kept out, and nobody else is: neither behind the same proxy, nor with
// another name, nor in a browser from which the user signed in before.
func TestGuessesKeepNobodyElseOut(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{
		Accounts: []Account{{"alice", Operator, cheapHash("a")}, {"bob", Operator, cheapHash("b")}},
		Proxy:    Proxy{From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	known := s.client()
	near, far := "X-Forwarded-For: 203.0.113.7", "X-Forwarded-For: 198.51.100.1"
	if status := s.signIn(known, "alice", "a", near); status != http.StatusSeeOther {
		t.Fatalf("alice signs in: %d", status)
	}
	s.ask(known, "POST", "/logout", nil)
	for i := range guessBurst + 1 {
		// What a client writes into the header stands in front of what the proxy adds.
		forged := "X-Forwarded-For: 192.0.2." + string(rune('1'+i)) + ", 203.0.113.7"
		if status, last := s.signIn(s.client(), "alice", "guess", forged), i == guessBurst; last != (status == http.StatusTooManyRequests) {
			t.Errorf("guess %d: %d", i+1, status)
		}
	}
	for _, c := range []struct {
		who, name, password, from string
		browser                   *http.Client
		want                      int
	}{
		{"the guesser with the right password", "alice", "a", near, s.client(), http.StatusTooManyRequests},
		{"alice elsewhere", "alice", "a", far, s.client(), http.StatusSeeOther},
		{"bob at the same address", "bob", "b", near, s.client(), http.StatusSeeOther},
		{"alice in her browser", "alice", "a", near, known, http.StatusSeeOther},
	} {
		if status := s.signIn(c.browser, c.name, c.password, c.from); status != c.want {
			t.Errorf("%s: %d, want %d", c.who, status, c.want)
		}
	}
}

// A changed password is the one that counts, and ends the sessions of the former and no
// others. A policy that would let everybody in is not taken.
func TestPasswordsAreReadAgain(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	access := Access{Password: cheapHash("old"), ViewerPassword: cheapHash("look")}
	set := func(a Access) { mu.Lock(); defer mu.Unlock(); access = a }
	s := serveWith(t, func(cfg *Config) {
		cfg.Access = access
		cfg.LoadAccess = func() (Access, error) { mu.Lock(); defer mu.Unlock(); return access, nil }
	})
	operator, viewer := s.client(), s.client()
	if a, b := s.signIn(operator, "", "old"), s.signIn(viewer, "", "look"); a != http.StatusSeeOther || b != http.StatusSeeOther {
		t.Fatalf("signing in: %d, %d", a, b)
	}
	set(Access{Password: cheapHash("new"), ViewerPassword: access.ViewerPassword})
	status := func(c *http.Client) int { got, _, _ := s.ask(c, "GET", "/plugins", nil); return got }
	s.until(func() bool { return status(operator) == http.StatusSeeOther })
	if got := status(viewer); got != http.StatusOK {
		t.Errorf("the viewer, whose password is the same, gets %d", got)
	}
	if old, now := s.signIn(s.client(), "", "old"), s.signIn(operator, "", "new"); old != http.StatusUnauthorized || now != http.StatusSeeOther {
		t.Errorf("the old password: %d, the new one: %d", old, now)
	}
	set(Access{ViewerPassword: access.ViewerPassword})
	s.until(func() bool { return status(operator) == http.StatusSeeOther })
	set(Access{})
	s.until(func() bool { return s.signIn(s.client(), "", "new") == http.StatusUnauthorized })
	if got := status(s.client()); got != http.StatusSeeOther {
		t.Errorf("without any password a stranger gets %d", got)
	}
}

// Browsers send the cookies of one port to all of a host.
func TestTwoConsolesOnOneHost(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs two consoles")
	one, two := serve(t, Access{Password: cheapHash("a")}), serve(t, Access{Password: cheapHash("b")})
	browser := one.client()
	if a, b := one.signIn(browser, "", "a"), two.signIn(browser, "", "b"); a != http.StatusSeeOther || b != http.StatusSeeOther {
		t.Fatalf("signing in: %d, %d", a, b)
	}
	for _, s := range []*served{one, two} {
		if status, _, _ := s.ask(browser, "GET", "/plugins", nil); status != http.StatusOK {
			t.Errorf("signed in to both, %s answers %d", s.url, status)
		}
	}
}

// A page's files are sent once for each version.
func TestAssetsAreSentOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{})
	status, body, h := s.ask(s.client(), "GET", "/assets/console.css", nil)
	if status != http.StatusOK || body == "" || !strings.HasPrefix(h.Get("Content-Type"), "text/css") {
		t.Fatalf("%d, %s", status, h)
	}
	if status, body, _ := s.ask(s.client(), "GET", "/assets/console.css", nil, "If-None-Match: "+h.Get("ETag")); status != http.StatusNotModified || body != "" {
		t.Errorf("asked for again: %d, %d bytes", status, len(body))
	}
	for _, path := range []string{"/assets/", "/assets/none.js", "/templates/login.html"} {
		if status, _, _ := s.ask(s.client(), "GET", path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// What an operator does is an event with the operator's name.
func TestOperationsHaveNames(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{Accounts: []Account{{"alice", Operator, cheapHash("a")}}})
	c := s.client()
	s.signIn(c, "alice", "a")
	if status, body, _ := s.ask(c, "POST", "/say", url.Values{"text": {"hello"}, "csrf": {s.token(c)}}); status != http.StatusSeeOther {
		t.Fatalf("%d %s", status, body)
	}
	stream, err := s.bus.JetStream().Stream(t.Context(), streams.Platform)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), event.SubjectOperation)
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.Decode(msg.Subject, msg.Data)
	if err != nil {
		t.Fatal(err)
	}
	if op, err := event.As[event.Operation](e); err != nil || op.Operator != "alice" || op.Action != "say" || op.Target != "lounge" {
		t.Errorf("recorded %+v, %v", op, err)
	}
}

// Private messages are for operators.
func TestViewersSeeNoPrivateMessages(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{Password: cheapHash("act"), ViewerPassword: cheapHash("look")})
	e, err := event.New(event.SubjectPM, event.PM{User: "alice", To: "rosey", Message: "between us", Channel: "lounge", Time: 1})
	if err != nil {
		t.Fatal(err)
	}
	ack, err := s.bus.Publish(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	command, err := event.New(event.CommandSubject("quote"), event.Command{
		Command: "add", Args: []string{}, User: "alice", Channel: "lounge", RawMessage: "!add between us", Private: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	asked, err := s.bus.Publish(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	s.chat("bob", "for all")
	for password, sees := range map[string]bool{"act": true, "look": false} {
		c := s.client()
		s.signIn(c, "", password)
		for path, otherwise := range map[string]string{"/": "for all", "/history": "for all", "/history/rows": "for all", "/trace/" + ack.Ref.String(): "which operators see",
			"/trace/" + asked.Ref.String(): "which operators see"} {
			_, body, _ := s.ask(c, "GET", path, nil)
			if strings.Contains(body, "between us") != sees || !sees && !strings.Contains(body, otherwise) {
				t.Errorf("%s with the password %q: seen %t\n%s", path, password, !sees, body)
			}
		}
		events := s.listen(c, "/events?after=0")
		if _, line := events.next("line"); strings.Contains(line, "between us") != sees {
			t.Errorf("live with the password %q: %s", password, line)
		}
	}
}
