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

func TestDialSpeaksWhatTheServerSpeaks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		server int
		opts   []socketio.Option
		want   int
	}{
		{"new server", 0, nil, 4},
		{"server without version 3", 4, nil, 4},
		{"old server", 3, nil, 3},
		{"asked for version 3", 0, []socketio.Option{socketio.WithProtocol(3)}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, cytubetest.Config{Protocol: tt.server})
			c := dial(t, s.URL(), tt.opts...)
			if c.Protocol() != tt.want {
				t.Errorf("speaks version %d, want %d", c.Protocol(), tt.want)
			}
			enter(t, c, "alice")
			emit(t, c, "chatMsg", map[string]any{"msg": "hello <there>"})
			ev := until(t, c, "chatMsg")
			var line struct{ Username, Msg string }
			if err := json.Unmarshal(ev.Args[0], &line); err != nil {
				t.Fatal(err)
			}
			if line.Username != "alice" || line.Msg != "hello &lt;there&gt;" {
				t.Errorf("got %+v", line)
			}
		})
	}
}

func TestDialFallsBackWhenVersion4IsRefused(t *testing.T) {
	t.Parallel()
	url := script(t, func(w http.ResponseWriter, r *http.Request) *websocket.Conn {
		if r.URL.Query().Get("EIO") != "3" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":5,"message":"Unsupported protocol version"}`)
			return nil
		}
		return upgrade(w, r)
	}, openPacket, "40", `42["rank",-1]`)
	c := dial(t, url)
	if c.Protocol() != 3 {
		t.Errorf("speaks version %d", c.Protocol())
	}
	until(t, c, "rank")

	_, err := socketio.Dial(soon(t), url, socketio.WithProtocol(4))
	var refused *socketio.HandshakeError
	if !errors.As(err, &refused) || refused.Status != 400 || refused.Message != "Unsupported protocol version" {
		t.Errorf("with version 4 only: %v", err)
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

func TestDialErrors(t *testing.T) {
	t.Parallel()
	accepted := `40{"sid":"y"}`
	tests := []struct {
		name   string
		frames []string
		want   string
	}{
		{"no open packet", []string{accepted}, "expected the open packet, got connect"},
		{"malformed open packet", []string{"0{"}, "malformed frame"},
		{"impossible ping times", []string{`0{"pingInterval":0}`}, "impossible ping"},
		{"malformed consent", []string{openPacket, "40{"}, "malformed frame"},
		{"refused", []string{openPacket, `44{"message":"You are banned from the server"}`}, "You are banned"},
		{"refused in version 3", []string{openPacket, `44"Rate limit exceeded"`}, "refused the connection: Rate limit exceeded"},
		{"refused without a reason", []string{openPacket, `44`}, "no reason given"},
		{"disconnected", []string{openPacket, "41"}, "disconnected us"},
		{"closed", []string{openPacket, "hang up"}, "code 1012): restart"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := socketio.Dial(soon(t), script(t, upgrade, tt.frames...))
			if err == nil {
				_ = c.Close()
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want it to contain %q", err, tt.want)
			}
		})
	}
}

// What is at an address is no Socket.IO server, or says nothing.
func TestDialOtherServers(t *testing.T) {
	t.Parallel()
	t.Run("no websocket", func(t *testing.T) {
		t.Parallel()
		s := httptest.NewServer(http.NotFoundHandler())
		defer s.Close()
		_, err := socketio.Dial(soon(t), s.URL)
		var handshake *socketio.HandshakeError
		if !errors.As(err, &handshake) || handshake.Status != 404 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		s := httptest.NewServer(http.NotFoundHandler())
		s.Close()
		if _, err := socketio.Dial(soon(t), s.URL); err == nil || !strings.Contains(err.Error(), "connect to ws://") {
			t.Errorf("got %v", err)
		}
	})
	mute := func(_ http.ResponseWriter, r *http.Request) *websocket.Conn {
		<-r.Context().Done() // until the client hangs up
		return nil
	}
	for name, url := range map[string]string{
		"silent server":            script(t, mute),
		"silent after the upgrade": script(t, upgrade),
		"no consent":               script(t, upgrade, openPacket),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := socketio.Dial(soon(t), url, socketio.WithDialTimeout(50*time.Millisecond))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDialBadArguments(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "cytu.be", "ftp://cytu.be", "http://", "://"} {
		if _, err := socketio.Dial(soon(t), url); err == nil || !strings.Contains(err.Error(), "bad socket address") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := socketio.Dial(soon(t), "http://127.0.0.1:1", socketio.WithProtocol(5)); err == nil || !strings.Contains(err.Error(), "use 3 or 4") {
		t.Errorf("version 5: %v", err)
	}
}

func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	for _, protocol := range []int{3, 4} {
		t.Run(fmt.Sprint("version ", protocol), func(t *testing.T) {
			t.Parallel()
			s := startSite(t, cytubetest.Config{Connects: cytubetest.Limit{Burst: 2}})
			var refused *socketio.RefusedError

			s.Refuse("You are banned from the server")
			_, err := socketio.Dial(soon(t), s.URL(), socketio.WithProtocol(protocol))
			if !errors.As(err, &refused) || refused.Message != "You are banned from the server" {
				t.Fatalf("got %v", err)
			}
			s.Refuse("")
			dial(t, s.URL(), socketio.WithProtocol(protocol))
			dial(t, s.URL(), socketio.WithProtocol(protocol))
			_, err = socketio.Dial(soon(t), s.URL(), socketio.WithProtocol(protocol))
			if !errors.As(err, &refused) || refused.Message != "Rate limit exceeded" {
				t.Fatalf("third connection: %v", err)
			}
		})
	}
}

// hasCode checks that an error is a DisconnectError with a code.
func hasCode(want int) func(*testing.T, error) {
	return func(t *testing.T, err error) {
		var closed *socketio.DisconnectError
		if !errors.As(err, &closed) || closed.Code != want {
			t.Errorf("got %v, want code %d", err, want)
		}
	}
}

// isRefusal checks that an error is a RefusedError with a message.
func isRefusal(want string) func(*testing.T, error) {
	return func(t *testing.T, err error) {
		var refused *socketio.RefusedError
		if !errors.As(err, &refused) || refused.Message != want {
			t.Errorf("got %v, want a refusal: %s", err, want)
		}
	}
}

// is checks that an error wraps another.
func is(want error) func(*testing.T, error) {
	return func(t *testing.T, err error) {
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
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
		var malformed *socketio.FrameError
		if !errors.As(err, &malformed) || len(malformed.Frame) == 0 {
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
