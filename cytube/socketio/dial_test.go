package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/socketio"
)

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
	refused, ok := errors.AsType[*socketio.HandshakeError](err)
	if !ok || refused.Status != 400 || refused.Message != "Unsupported protocol version" {
		t.Errorf("with version 4 only: %v", err)
	}
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
		handshake, ok := errors.AsType[*socketio.HandshakeError](err)
		if !ok || handshake.Status != 404 {
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
		closed, ok := errors.AsType[*socketio.DisconnectError](err)
		if !ok || closed.Code != want {
			t.Errorf("got %v, want code %d", err, want)
		}
	}
}

// isRefusal checks that an error is a RefusedError with a message.
func isRefusal(want string) func(*testing.T, error) {
	return func(t *testing.T, err error) {
		refused, ok := errors.AsType[*socketio.RefusedError](err)
		if !ok || refused.Message != want {
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
