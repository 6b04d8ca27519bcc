package cytubetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lobby = "lobby" // a registered channel of every test's server

func start(t *testing.T, cfg Config) *Server {
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
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
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

type object = map[string]any

func TestStartRefusesImpossibleConfigs(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	for want, cfg := range map[string]Config{
		`account "no spaces"`: {Accounts: []Account{{Name: "no spaces", Password: "x"}}},
		`account "bot"`:       {Accounts: []Account{{Name: "bot"}}},
		`channel "a/b"`:       {Channels: []Channel{{Name: "a/b"}}},
		"start the room":      {Addr: strings.TrimPrefix(s.URL(), "http://")},
	} {
		if s, err := Start(cfg); err == nil || !strings.Contains(err.Error(), want) {
			if s != nil {
				s.Close()
			}
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestSocketConfig(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	for name, want := range map[string]string{
		"anything": `{"servers":[{"secure":false,"url":"` + s.URL() + `"}]}`,
		"$bad$":    `{"error":"Channel \"$bad$\" does not exist."}`,
	} {
		resp, err := http.Get(s.URL() + "/socketconfig/" + name + ".json")
		try(t, err)
		body, err := io.ReadAll(resp.Body)
		try(t, err)
		_ = resp.Body.Close()
		if got := strings.TrimSpace(string(body)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	c := connect(t, s)
	c.emit("joinChannel", object{"name": lobby})
	c.emit("login", object{"name": "alice"})
	c.next("addUser")
	bob := join(t, s, "bob", "")

	s.Fail(lobby, "Alice", 2, FaultLost)
	s.Fail(lobby, "alice", 1, FaultNoEcho)
	s.Fail(lobby, "alice", 1, FaultCooldown)
	s.Fail(lobby, "alice", 1, FaultSpam)
	s.Fail(lobby, "alice", 1, FaultSpamLink)
	for i := range 7 {
		c.emit("chatMsg", object{"msg": fmt.Sprint("line ", i)})
	}
	for _, want := range []string{"cooldown 100", `spamFiltered {"reason":"NEW_USER_CHAT"}`, `spamFiltered {"reason":"NEW_USER_CHAT_LINK"}`} {
		if name, arg := c.next("chatMsg", "cooldown", "spamFiltered"); name+" "+arg != want {
			t.Errorf("got %s %s, want %s", name, arg, want)
		}
	}
	if _, line := c.next("chatMsg"); !strings.Contains(line, "line 6") {
		t.Errorf("got %s", line)
	}
	for _, want := range []string{"line 2", "line 6"} {
		if m, err := bob.Next(soon(t)); err != nil || m.Text != want {
			t.Errorf("bob got %+v, %v, want %s", m, err, want)
		}
	}

	s.Fail(lobby, "alice", 1, FaultDrop)
	c.emit("chatMsg", object{"msg": "my last words"})
	if m, err := bob.Next(soon(t)); err != nil || m.Text != "my last words" {
		t.Errorf("bob got %+v, %v", m, err)
	}
	var closed *socketio.DisconnectError
	ctx := soon(t)
	for {
		ev, err := c.conn.Receive(ctx)
		if ev.Name == "chatMsg" {
			t.Error("the echo came all the same")
		}
		if err != nil {
			if !errors.As(err, &closed) || closed.Code != 1006 {
				t.Errorf("ended with %v", err)
			}
			break
		}
	}
	try(t, s.WaitGone(ctx, lobby, "alice"))
}

func TestStallAndResume(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	alice, bob := join(t, s, "alice", ""), join(t, s, "bob", "")
	try(t, s.Stall(lobby, "alice"))
	try(t, alice.Send(soon(t), "held back"))
	try(t, bob.Say(soon(t), "hello"))
	if len(s.Heard()) != 1 {
		t.Errorf("heard %+v of a stalled user", s.Heard())
	}
	try(t, s.Resume(lobby, "alice"))
	if m, err := bob.Next(soon(t)); err != nil || m.Text != "held back" {
		t.Errorf("bob got %+v, %v", m, err)
	}
	if m, err := alice.Next(soon(t)); err != nil || m.Text != "hello" {
		t.Errorf("alice got %+v, %v", m, err)
	}
}

func TestStopAndRestart(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	url := s.URL()
	alice := join(t, s, "alice", "")
	s.Stop()
	var closed *socketio.DisconnectError
	if _, err := alice.Next(soon(t)); !errors.As(err, &closed) || closed.Code != 1006 {
		t.Errorf("ended with %v", err)
	}
	if _, err := Join(soon(t), url, lobby, "alice", ""); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("while stopped: %v", err)
	}
	if len(s.Users(lobby)) != 0 {
		t.Errorf("users while stopped: %v", s.Users(lobby))
	}
	try(t, s.Restart())
	if s.URL() != url {
		t.Errorf("the address is %s, was %s", s.URL(), url)
	}
	if err := s.Restart(); err == nil {
		t.Error("restarted while running")
	}
	join(t, s, "alice", "")
	s.DropAll()
	try(t, s.WaitGone(soon(t), lobby, "alice"))
	join(t, s, "alice", "")
	s.Close()
	if err := s.Restart(); err == nil {
		t.Error("restarted after Close")
	}
}

func TestWaitHeardSeesThePastAndTheFuture(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	alice := join(t, s, "alice", "")
	try(t, alice.Say(soon(t), "first"))
	said := func(text string) func(Line) bool { return func(l Line) bool { return l.Text == text } }
	l, err := s.WaitHeard(soon(t), said("first"))
	if err != nil || l.Seq != 1 {
		t.Errorf("got %+v, %v", l, err)
	}
	got := make(chan error)
	go func() {
		_, err := s.WaitHeard(soon(t), said("second"))
		got <- err
	}()
	try(t, alice.Say(soon(t), "second"))
	try(t, <-got)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.WaitHeard(cancelled, said("never")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMalformedFramesCloseTheSocket(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	tests := []struct {
		name   string
		frames []string
		code   int
	}{
		{"not JSON", []string{"40", `42["chatMsg",{`}, 1005},
		{"no packet", []string{"40", "hello"}, 1005},
		{"event before joining the namespace", []string{`42["joinChannel",{"name":"lobby"}]`}, 1005},
		{"too long", []string{"40", `42["x","` + strings.Repeat("x", socketio.MaxFrame) + `"]`}, 1009},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := "ws" + strings.TrimPrefix(s.URL(), "http") + "/socket.io/?EIO=4&transport=websocket"
			ws, _, err := websocket.DefaultDialer.DialContext(soon(t), url, nil)
			try(t, err)
			defer ws.Close()
			for _, frame := range tt.frames {
				_ = ws.WriteMessage(websocket.TextMessage, []byte(frame))
			}
			for {
				if _, _, err = ws.ReadMessage(); err != nil {
					break
				}
			}
			if !websocket.IsCloseError(err, tt.code) {
				t.Errorf("got %v, want code %d", err, tt.code)
			}
		})
	}
}

func TestIllTypedEventsAreReported(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	c := connect(t, s)
	c.emit("joinChannel", object{"name": lobby})
	c.emit("login", object{"name": "alice"})
	for _, tt := range []struct {
		event string
		arg   any
		want  string
	}{
		{"chatMsg", "text", "Expected type object, got string"},
		{"chatMsg", object{"msg": 5}, "Expected key msg to be of type string, instead got number"},
		{"chatMsg", object{}, "Missing key: string:msg"},
		{"pm", object{"msg": "x"}, "Missing key: string:to"},
		{"moveMedia", object{"after": 1}, "Missing key: number:from"},
		{"setTemp", object{"uid": 1, "temp": "yes"}, "Expected key temp to be of type boolean, instead got string"},
	} {
		c.emit(tt.event, tt.arg)
		c.expect("errorMsg", string(mustJSON(object{"msg": "Unexpected error for message " + tt.event + ": " + tt.want})))
	}
	c.emit("login", "alice")
	c.expect("errorMsg", `{"msg":"Invalid login frame"}`)
}

func TestEventLimit(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Events: Limit{Burst: 5}})
	c := connect(t, s)
	for range 6 {
		c.emit("anything", nil)
	}
	c.expect("kick", `{"reason":"Rate limit exceeded"}`)
}

// The connection stays open after a kick, as on the real server.
func TestKickLeavesTheTransportOpen(t *testing.T) {
	t.Parallel()
	s := start(t, Config{PingInterval: 50 * time.Millisecond, PingTimeout: time.Minute})
	url := "ws" + strings.TrimPrefix(s.URL(), "http") + "/socket.io/?EIO=4&transport=websocket"
	ws, _, err := websocket.DefaultDialer.DialContext(soon(t), url, nil)
	try(t, err)
	defer ws.Close()
	for _, frame := range []string{"40", `42["joinChannel",{"name":"lobby"}]`, `42["login",{"name":"alice"}]`} {
		try(t, ws.WriteMessage(websocket.TextMessage, []byte(frame)))
	}
	try(t, s.WaitUser(soon(t), lobby, "alice"))
	try(t, s.Kick(lobby, "alice", "bye"))
	var seen []string
	for len(seen) < 3 {
		_, frame, err := ws.ReadMessage()
		try(t, err)
		if text := string(frame); text == "41" || strings.Contains(text, "kick") || text == "2" && len(seen) == 2 {
			seen = append(seen, text)
		}
	}
	if want := []string{`42["kick",{"reason":"bye"}]`, "41", "2"}; !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}
