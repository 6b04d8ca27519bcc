package localserver_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

func TestStartRefusesImpossibleConfigs(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	for want, cfg := range map[string]Config{
		`account "no spaces"`:     {Accounts: []Account{{Name: "no spaces", Password: "x"}}},
		`account "bot"`:           {Accounts: []Account{{Name: "bot"}}},
		`channel "a/b"`:           {Channels: []Channel{{Name: "a/b"}}},
		"start the CyTube server": {Addr: strings.TrimPrefix(s.URL(), "http://")},
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
		{"setTemp", object{"uid": 1, "temp": true, "reqid": "r1"}, "Extra key: reqid"},
		{"moveMedia", object{"after": 1}, "Missing key: number:from"},
		{"setTemp", object{"uid": 1, "temp": "yes"}, "Expected key temp to be of type boolean, instead got string"},
	} {
		c.emit(tt.event, tt.arg)
		c.expect("errorMsg", toJSON(t, object{"msg": "Unexpected error for message " + tt.event + ": " + tt.want}))
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
