package localserver_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/socketio"
)

type (
	Account   = cytubetest.Account
	Channel   = cytubetest.Channel
	Config    = cytubetest.Config
	Flood     = cytubetest.Flood
	KickError = cytubetest.KickError
	Limit     = cytubetest.Limit
	Line      = cytubetest.Line
	Media     = cytubetest.Media
	Message   = cytubetest.Message
	Server    = cytubetest.Server
	User      = cytubetest.User

	object = map[string]any
)

var (
	Start = cytubetest.Start
	Join  = cytubetest.Join
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lobby = "lobby" // a registered channel of every test's server

func start(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func join(t *testing.T, s *Server, name, password string) *User {
	t.Helper()
	u, err := Join(soon(t), s.URL(), lobby, name, password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// client is a bare client, for what a User would not do.
type client struct {
	t    *testing.T
	conn *socketio.Conn
}

func connect(t *testing.T, s *Server) client {
	t.Helper()
	conn, err := socketio.Dial(soon(t), s.URL())
	try(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return client{t, conn}
}

func (c client) emit(name string, arg any) {
	c.t.Helper()
	try(c.t, c.conn.Emit(soon(c.t), name, arg))
}

// next gives the next event of those names, with its argument.
func (c client) next(names ...string) (name, arg string) {
	c.t.Helper()
	ctx := soon(c.t)
	for {
		ev, err := c.conn.Receive(ctx)
		if err != nil {
			c.t.Fatalf("waiting for %v: %v", names, err)
		}
		if slices.Contains(names, ev.Name) {
			if len(ev.Args) > 0 {
				arg = string(ev.Args[0])
			}
			return ev.Name, arg
		}
	}
}

// expect checks the next event of that name.
func (c client) expect(name, want string) {
	c.t.Helper()
	if _, got := c.next(name); got != want {
		c.t.Errorf("%s: got %s, want %s", name, got, want)
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	try(t, err)
	return string(b)
}
