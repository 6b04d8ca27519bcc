package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/socketio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const channel = "lobby"

func startSite(t *testing.T, cfg cytubetest.Config) *cytubetest.Server {
	t.Helper()
	s, err := cytubetest.Start(cfg)
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

func dial(t *testing.T, url string, opts ...socketio.Option) *socketio.Conn {
	t.Helper()
	c, err := socketio.Dial(soon(t), url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func emit(t *testing.T, c *socketio.Conn, name string, args ...any) {
	t.Helper()
	if err := c.Emit(soon(t), name, args...); err != nil {
		t.Fatal(err)
	}
}

// until receives events until one has that name.
func until(t *testing.T, c *socketio.Conn, name string) socketio.Event {
	t.Helper()
	ctx := soon(t)
	for {
		ev, err := c.Receive(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", name, err)
		}
		if ev.Name == name {
			return ev
		}
	}
}

// enter joins the channel as a guest.
func enter(t *testing.T, c *socketio.Conn, user string) {
	t.Helper()
	emit(t, c, "joinChannel", map[string]any{"name": channel})
	emit(t, c, "login", map[string]any{"name": user})
	until(t, c, "addUser")
}

// end receives until the connection has ended and gives the reason.
func end(t *testing.T, c *socketio.Conn) error {
	t.Helper()
	ctx := soon(t)
	for {
		if _, err := c.Receive(ctx); err != nil {
			if ctx.Err() != nil {
				t.Fatal("the connection did not end")
			}
			return err
		}
	}
}

const openPacket = `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`

var upgrader websocket.Upgrader

func upgrade(w http.ResponseWriter, r *http.Request) *websocket.Conn {
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil
	}
	return ws
}

// script is a server that says the frames, then listens until the client hangs
// up.
func script(t *testing.T, open func(http.ResponseWriter, *http.Request) *websocket.Conn, frames ...string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws := open(w, r)
		if ws == nil {
			return
		}
		defer ws.Close()
		for _, frame := range frames {
			kind := websocket.TextMessage
			if strings.HasPrefix(frame, "binary:") {
				kind = websocket.BinaryMessage
			}
			if frame == "hang up" {
				_ = ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1012, "restart"))
				continue
			}
			if ws.WriteMessage(kind, []byte(frame)) != nil {
				return
			}
		}
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestReceiveTellsHowTheConnectionEnded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		cfg   cytubetest.Config
		act   func(*cytubetest.Server, *socketio.Conn) error
		check func(*testing.T, error)
	}{
		{"kicked", cytubetest.Config{}, func(s *cytubetest.Server, _ *socketio.Conn) error {
			return s.Kick(channel, "alice", "bye")
		}, hasCode(0)},
		{"network broken", cytubetest.Config{}, func(s *cytubetest.Server, _ *socketio.Conn) error {
			return s.Drop(channel, "alice")
		}, hasCode(1006)},
		{"server down", cytubetest.Config{}, func(s *cytubetest.Server, _ *socketio.Conn) error {
			s.Stop()
			return nil
		}, hasCode(1006)},
		{"silent server", cytubetest.Config{PingInterval: 200 * time.Millisecond, PingTimeout: 2800 * time.Millisecond},
			func(s *cytubetest.Server, _ *socketio.Conn) error { return s.Stall(channel, "alice") },
			is(socketio.ErrPingTimeout)},
		{"silent old server", cytubetest.Config{Protocol: 3, PingInterval: 200 * time.Millisecond, PingTimeout: 2800 * time.Millisecond},
			func(s *cytubetest.Server, _ *socketio.Conn) error { return s.Stall(channel, "alice") },
			is(socketio.ErrPingTimeout)},
		{"transport closed", cytubetest.Config{}, func(s *cytubetest.Server, _ *socketio.Conn) error {
			return s.InjectFrame(channel, "alice", "1")
		}, hasCode(0)},
		{"consent taken back", cytubetest.Config{}, func(s *cytubetest.Server, _ *socketio.Conn) error {
			return s.InjectFrame(channel, "alice", `44{"message":"gone"}`)
		}, isRefusal("gone")},
		{"closed here", cytubetest.Config{}, func(_ *cytubetest.Server, c *socketio.Conn) error { return c.Close() },
			is(socketio.ErrClosed)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, tt.cfg)
			c := dial(t, s.URL())
			enter(t, c, "alice")
			if err := tt.act(s, c); err != nil {
				t.Fatal(err)
			}
			err := end(t, c)
			tt.check(t, err)
			if again := end(t, c); again.Error() != err.Error() {
				t.Errorf("then it said %v", again)
			}
		})
	}
}

func TestPingsKeepTheConnectionAlive(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("slow: waits for pings")
	}
	for protocol, frame := range map[int]string{3: "2", 4: "3"} {
		t.Run(fmt.Sprint("version ", protocol), func(t *testing.T) {
			t.Parallel()
			// The eighth ping or pong comes later than interval and timeout together.
			s := startSite(t, cytubetest.Config{PingInterval: 600 * time.Millisecond, PingTimeout: 3 * time.Second})
			c := dial(t, s.URL(), socketio.WithProtocol(protocol))
			seen := 0
			if _, err := s.WaitReceived(soon(t), func(f cytubetest.Frame) bool {
				if f.Data == frame {
					seen++
				}
				return seen == 8
			}); err != nil {
				t.Fatal(err)
			}
			enter(t, c, "alice")
		})
	}
}

func TestMalformedFramesAreReportedAndSurvived(t *testing.T) {
	t.Parallel()
	url := script(t, upgrade, openPacket, `40{"sid":"y"}`, `42["a"]`,
		`42[`, `nonsense`, `42/admin,["x"]`, `binary:42["x"]`, `431[]`, "6", `42["b",{"n":1}]`)
	c := dial(t, url)
	until(t, c, "a")
	for range 4 {
		_, err := c.Receive(soon(t))
		malformed, ok := errors.AsType[*socketio.FrameError](err)
		if !ok || len(malformed.Frame) == 0 {
			t.Fatalf("got %v, want a malformed frame", err)
		}
	}
	ev, err := c.Receive(soon(t))
	if err != nil || ev.Name != "b" || string(ev.Args[0]) != `{"n":1}` {
		t.Fatalf("got %+v, %v", ev, err)
	}
}

func TestEmitFromManyGoroutines(t *testing.T) {
	t.Parallel()
	s := startSite(t, cytubetest.Config{})
	c := dial(t, s.URL())
	const senders, each = 8, 50
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := range each {
				if err := c.Emit(t.Context(), "count", i, n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	seen, next := 0, map[int]int{}
	if _, err := s.WaitReceived(soon(t), func(f cytubetest.Frame) bool {
		p, err := socketio.Decode([]byte(f.Data))
		if err != nil {
			t.Errorf("%q: %v", f.Data, err)
		}
		if p.Name == "count" {
			var sender, n int
			_ = json.Unmarshal(p.Args[0], &sender)
			_ = json.Unmarshal(p.Args[1], &n)
			if n != next[sender] {
				t.Errorf("sender %d: got %d, want %d", sender, n, next[sender])
			}
			next[sender]++
			seen++
		}
		return seen == senders*each
	}); err != nil {
		t.Fatal(err)
	}
}

func TestEmitErrors(t *testing.T) {
	t.Parallel()
	s := startSite(t, cytubetest.Config{})
	c := dial(t, s.URL())

	if err := c.Emit(soon(t), "chatMsg", strings.Repeat("x", socketio.MaxFrame)); err == nil ||
		!strings.Contains(err.Error(), "the server accepts 1048576") {
		t.Errorf("too long: %v", err)
	}
	if err := c.Emit(soon(t), "chatMsg", make(chan int)); err == nil || !strings.Contains(err.Error(), "argument 1") {
		t.Errorf("not JSON: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Emit(cancelled, "chatMsg"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := c.Receive(cancelled); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("receive: %v", err)
	}
	enter(t, c, "alice") // none of that hurt the connection
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Emit(soon(t), "chatMsg"); !errors.Is(err, socketio.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestEmitGivesUpOnAPeerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	s := startSite(t, cytubetest.Config{})
	c := dial(t, s.URL(), socketio.WithWriteTimeout(50*time.Millisecond))
	enter(t, c, "alice")
	if err := s.Stall(channel, "alice"); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", socketio.MaxFrame/2)
	for range 200 { // until the buffers of both ends are full
		if err := c.Emit(t.Context(), "chatMsg", text); err != nil {
			if err := end(t, c); err == nil {
				t.Error("the connection is half written and still in use")
			}
			return
		}
	}
	t.Fatal("100 MiB went to a server that does not read")
}

func TestSlowReceiverLosesNothing(t *testing.T) {
	t.Parallel()
	const events = 2000 // more than a connection keeps
	frames := []string{openPacket, `40{"sid":"y"}`}
	for i := range events {
		frames = append(frames, fmt.Sprintf(`42["n",%d]`, i))
	}
	url := script(t, upgrade, frames...)
	c := dial(t, url)
	for i := range events {
		ev, err := c.Receive(soon(t))
		if err != nil || string(ev.Args[0]) != fmt.Sprint(i) {
			t.Fatalf("event %d: %v %v", i, ev, err)
		}
	}

	// And one that receives nothing can be closed all the same.
	idle := dial(t, url)
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
}
