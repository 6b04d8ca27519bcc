package cytube

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// banning is a site that says all that it has to say, then that the bot is banned, and hangs up. It
// closes gone when the bot's side has hung up, too.
func banning(t *testing.T, frames ...string) (url string, gone chan struct{}) {
	t.Helper()
	gone = make(chan struct{})
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return // asked for a page
		}
		defer ws.Close()
		defer close(gone)
		frames := append([]string{`0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`, `40{"sid":"y"}`}, frames...)
		for _, frame := range append(frames, `42["kick",{"reason":"You are banned from this channel"}]`) {
			_ = ws.WriteMessage(websocket.TextMessage, []byte(frame))
		}
		_ = ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
		for err == nil {
			_, _, err = ws.ReadMessage()
		}
	}))
	t.Cleanup(site.Close)
	return site.URL, gone
}

// Why the server ended the connection counts also where the bot fails to send something because of
// that: one that is banned would join again and again.
func TestKickBeforeWhatTheBotSends(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	for sends, frames := range map[string][]string{
		"joinChannel":        nil,
		"login":              {`42["needPassword",false]`},
		"requestChatFilters": {`42["userlist",[]]`, `42["login",{"success":true,"name":"rosey"}]`},
	} {
		t.Run(sends, func(t *testing.T) {
			t.Parallel()
			url, gone := banning(t, frames...)
			c := New(bus, Config{Config: sender.Config{Channel: "testchan"}, Site: url, User: "rosey", Password: "secret"})
			c.queue = make(chan *item) // the session waits until each is taken
			ended := make(chan error)
			go func() { _, err := c.session(streamstest.Context(t), url); ended <- err }()
			for <-gone; ; {
				select {
				case <-c.queue:
				case err := <-ended:
					if err == nil || !strings.Contains(err.Error(), "banned") {
						t.Errorf("the session ended: %v", err)
					}
					return
				}
			}
		})
	}
}
