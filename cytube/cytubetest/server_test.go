package cytubetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
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
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
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

func TestChatReachesEverybodyInOrder(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Channels: []Channel{{Name: lobby}}})
	alice, bob := join(t, s, "alice", ""), join(t, s, "bob", "")
	for _, text := range []string{"one <1>", "/me waves & smiles", "two  "} {
		try(t, alice.Say(soon(t), text))
	}
	for _, want := range []Message{
		{From: "alice", Text: "one <1>", HTML: "one &lt;1&gt;"},
		{From: "alice", Text: "waves & smiles", HTML: "waves &amp; smiles", Action: true},
		{From: "alice", Text: "two  ", HTML: "two  "},
	} {
		got, err := bob.Next(soon(t))
		try(t, err)
		if got.Time = (time.Time{}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	var heard []string
	for i, l := range s.Heard() {
		if l.Seq != i+1 || l.Channel != lobby || l.User != "alice" || l.Time.IsZero() {
			t.Errorf("heard %+v", l)
		}
		heard = append(heard, fmt.Sprint(l.Text, l.Action))
	}
	if want := []string{"one <1>false", "waves & smilestrue", "two  false"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
}

func TestChatIsCutAndCleaned(t *testing.T) {
	t.Parallel()
	s := start(t, Config{MaxMessage: 10})
	alice := join(t, s, "alice", "")
	try(t, alice.Say(soon(t), "0123456789ABC"))
	try(t, alice.Say(soon(t), "a\x01\x02\tb\n"))
	if err := alice.Say(soon(t), " \t"); err == nil {
		t.Error("a blank line was said")
	}
	try(t, alice.Send(soon(t), "\n"))
	try(t, alice.Say(soon(t), "end"))
	var heard []string
	for _, l := range s.Heard() {
		heard = append(heard, l.Text)
	}
	if want := []string{"0123456789", "a b ", "end"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
}

func TestFloodedLinesAreDropped(t *testing.T) {
	t.Parallel()
	// So slow that a burst never comes back within the test.
	s := start(t, Config{Channels: []Channel{{Name: lobby, Flood: Flood{Burst: 4, Sustained: 0.001, Cooldown: 4000}}}})
	c := connect(t, s)
	c.emit("joinChannel", object{"name": lobby})
	_, opts := c.next("channelOpts")
	if !strings.Contains(opts, `"chat_antiflood":true,"chat_antiflood_params":{"burst":4,"cooldown":4000,"sustained":0.001}`) {
		t.Errorf("channelOpts: %s", opts)
	}
	c.emit("login", object{"name": "alice"})
	for _, text := range []string{"1", "/me 2", "3", "4", "/me 5"} {
		c.emit("chatMsg", object{"msg": text})
	}
	var got []string
	for range 5 {
		name, _ := c.next("chatMsg", "cooldown")
		got = append(got, name)
	}
	// An emote is counted twice.
	if want := []string{"chatMsg", "chatMsg", "chatMsg", "cooldown", "cooldown"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}

	// Not so for moderators, nor for private messages, which share the count.
	s.SetRank(lobby, "alice", 2)
	for range 3 {
		c.emit("chatMsg", object{"msg": "again"})
		c.next("chatMsg")
	}
}

func TestAUserWaitsOutTheFloodControl(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Channels: []Channel{{Name: lobby, Flood: Flood{Burst: 3, Sustained: 20, Cooldown: 0.2}}}})
	alice := join(t, s, "alice", "")
	var want []string
	for i := range 6 {
		want = append(want, fmt.Sprint("line ", i))
		try(t, alice.Say(soon(t), fmt.Sprint([]string{"", "/me "}[i%2], "line ", i)))
	}
	var heard []string
	for _, l := range s.Heard() {
		heard = append(heard, l.Text)
	}
	if !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
}

func TestBufferIsSentAgainWithItsTimes(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Channels: []Channel{{Name: lobby}}})
	alice := join(t, s, "alice", "")
	for i := range 18 {
		try(t, alice.Say(soon(t), fmt.Sprint("line ", i)))
	}
	check := func() {
		t.Helper()
		c := connect(t, s)
		c.emit("joinChannel", object{"name": lobby})
		for i, l := range s.Heard()[3:] {
			var line struct {
				Username, Msg string
				Time          int64
			}
			_, arg := c.next("chatMsg")
			try(t, json.Unmarshal([]byte(arg), &line))
			if line.Msg != fmt.Sprint("line ", i+3) || line.Username != "alice" || line.Time != l.Time.UnixMilli() {
				t.Errorf("line %d: got %+v", i+3, line)
			}
		}
		c.next("drinkCount") // comes after the buffer
	}
	check()
	s.Stop()
	try(t, s.Restart())
	check()
}

func TestPrivateMessages(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	alice, bob, carol := join(t, s, "alice", ""), join(t, s, "Bob", ""), join(t, s, "carol", "")
	try(t, alice.PM(soon(t), "bob", "psst <x>"))
	m, err := bob.Next(soon(t))
	try(t, err)
	if !m.Private || m.From != "alice" || m.Text != "psst <x>" {
		t.Errorf("bob got %+v", m)
	}
	for to, want := range map[string]string{
		"nobody": "isn't connected", "alice": "can't PM yourself", "bad name": "isn't a valid username",
	} {
		if err := alice.PM(soon(t), to, "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("to %q: %v", to, err)
		}
	}
	if l := s.Heard(); len(l) != 1 || l[0].To != "Bob" || l[0].User != "alice" {
		t.Errorf("heard %+v", l)
	}
	try(t, alice.Say(soon(t), "hello all"))
	if m, err := carol.Next(soon(t)); err != nil || m.Text != "hello all" {
		t.Errorf("carol got %+v, %v: the private message was not for her", m, err)
	}
}

func TestLogins(t *testing.T) {
	t.Parallel()
	s := start(t, Config{
		Accounts:   []Account{{Name: "Rosey", Password: "secret"}, {Name: "chief", Password: "x", Rank: 255}},
		Channels:   []Channel{{Name: lobby, Ranks: map[string]float64{"rosey": 3}}},
		GuestDelay: time.Hour,
	})
	rosey := join(t, s, "rosey", "secret")
	if rosey.Name() != "Rosey" {
		t.Errorf("the name is %q", rosey.Name())
	}
	join(t, s, "guest", "")
	for _, tt := range []struct{ name, password, want string }{
		{"rosey", "wrong", "Invalid username/password combination"},
		{"nobody", "x", "User does not exist"},
		{"guest2", "", "Guest logins are restricted to one per IP address per 3600 seconds."},
	} {
		if _, err := Join(soon(t), s.URL(), lobby, tt.name, tt.password); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
	again := join(t, s, "rosey", "secret")
	var kicked *KickError
	if _, err := rosey.Next(soon(t)); !errors.As(err, &kicked) || kicked.Reason != "Duplicate login" {
		t.Errorf("the older login ended with %v", err)
	}
	try(t, again.Say(soon(t), "it is me"))
	if got := s.Users(lobby); !slices.Equal(got, []string{"guest", "Rosey"}) {
		t.Errorf("users: %q", got)
	}
}

func TestChannelPassword(t *testing.T) {
	t.Parallel()
	s := start(t, Config{
		Accounts: []Account{{Name: "mod", Password: "x"}},
		Channels: []Channel{{Name: lobby, Password: "sesame", Ranks: map[string]float64{"mod": 2}}},
	})
	t.Run("asked for", func(t *testing.T) {
		t.Parallel()
		c := connect(t, s)
		c.emit("joinChannel", object{"name": lobby})
		c.expect("needPassword", "false")
		c.emit("channelPassword", "open")
		c.expect("needPassword", "true")
		c.emit("channelPassword", "sesame")
		c.next("cancelNeedPassword")
		c.next("userlist")
	})
	t.Run("with the join", func(t *testing.T) {
		t.Parallel()
		c := connect(t, s)
		c.emit("joinChannel", object{"name": lobby, "pw": "sesame"})
		if name, _ := c.next("needPassword", "userlist"); name != "userlist" {
			t.Errorf("got %s", name)
		}
	})
	t.Run("wrong with the join", func(t *testing.T) {
		t.Parallel()
		c := connect(t, s)
		c.emit("joinChannel", object{"name": lobby, "pw": "open"})
		c.expect("needPassword", "true")
	})
	t.Run("moderators need none", func(t *testing.T) {
		t.Parallel()
		c := connect(t, s)
		c.emit("joinChannel", object{"name": lobby})
		c.expect("needPassword", "false")
		c.emit("login", object{"name": "mod", "pw": "x"})
		c.next("userlist")
	})
	t.Run("a user says so", func(t *testing.T) {
		t.Parallel()
		if _, err := Join(soon(t), s.URL(), lobby, "alice", ""); err == nil || !strings.Contains(err.Error(), "wants a password") {
			t.Errorf("got %v", err)
		}
	})
}

func TestModeration(t *testing.T) {
	t.Parallel()
	s := start(t, Config{
		Accounts: []Account{{Name: "mod", Password: "x"}},
		Channels: []Channel{{Name: lobby, Ranks: map[string]float64{"mod": 2}}},
	})
	mod, alice := join(t, s, "mod", "x"), join(t, s, "alice", "")
	refused := func(want string) {
		t.Helper()
		if err := alice.Say(soon(t), "hello?"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	try(t, s.Mute(lobby, "alice", false))
	refused("noflood): You have been muted")
	s.Unmute(lobby, "alice")
	try(t, alice.Say(soon(t), "hello again"))

	try(t, s.Mute(lobby, "alice", true))
	try(t, alice.Say(soon(t), "into the void")) // the echo comes, and only moderators see it
	bob := join(t, s, "bob", "")
	s.Unmute(lobby, "alice")
	try(t, alice.Say(soon(t), "free"))
	for _, want := range []string{"hello again", "into the void", "free"} {
		m, err := mod.Next(soon(t))
		if err != nil || m.Text != want {
			t.Errorf("the moderator got %+v, %v, want %s", m, err, want)
		}
	}
	for _, want := range []string{"free"} {
		m, err := bob.Next(soon(t))
		if err != nil || m.Text != want {
			t.Errorf("bob got %+v, %v, want %s", m, err, want)
		}
	}
	for _, l := range s.Heard() {
		if l.Text == "into the void" {
			t.Error("a shadow-muted line counts as heard")
		}
	}

	s.Ban(lobby, "alice")
	var kicked *KickError
	if _, err := alice.Expect(soon(t), func(Message) bool { return false }); !errors.As(err, &kicked) || kicked.Reason != "You're banned!" {
		t.Errorf("alice's connection ended with %v", err)
	}
	// The real server, too, lets a banned guest in and then throws it out.
	again := join(t, s, "alice", "")
	if _, err := again.Expect(soon(t), func(Message) bool { return false }); !errors.As(err, &kicked) ||
		kicked.Reason != "You are banned from this channel." {
		t.Errorf("a banned user came back: %v", err)
	}
	for _, err := range []error{
		s.Kick(lobby, "alice", ""), s.Mute("elsewhere", "bob", false), s.Drop(lobby, "x"),
		s.Stall(lobby, "x"), s.Resume(lobby, "x"), s.InjectFrame(lobby, "x", "2"),
	} {
		if err == nil || !strings.Contains(err.Error(), "there is no user") {
			t.Errorf("got %v for a user who is not there", err)
		}
	}
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

func TestCrowd(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	const users, lines = 10, 5
	listener := join(t, s, "listener", "")
	var wg sync.WaitGroup
	for i := range users {
		wg.Go(func() {
			u, err := Join(soon(t), s.URL(), lobby, fmt.Sprint("user", i), "")
			if err != nil {
				t.Error(err)
				return
			}
			defer u.Close()
			for n := range lines {
				if err := u.Say(soon(t), fmt.Sprint(n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := map[string]int{}
	for range users * lines {
		m, err := listener.Next(soon(t))
		try(t, err)
		if m.Text != fmt.Sprint(next[m.From]) {
			t.Errorf("%s said %s, want %d", m.From, m.Text, next[m.From])
		}
		next[m.From]++
	}
	wg.Wait()
	if len(s.Heard()) != users*lines {
		t.Errorf("heard %d lines, want %d", len(s.Heard()), users*lines)
	}
}
