package localserver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

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
	if !strings.Contains(opts, `"chat_antiflood":true,"chat_antiflood_params":{"burst":4,"sustained":0.001,"cooldown":4000}`) {
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
}

func TestBan(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Channels: []Channel{{Name: lobby}}})
	alice := join(t, s, "alice", "")
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
}

func TestNobodyIsThere(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Channels: []Channel{{Name: lobby}}})
	for _, err := range []error{
		s.Kick(lobby, "alice", ""), s.Mute("elsewhere", "bob", false), s.Drop(lobby, "x"),
		s.Stall(lobby, "x"), s.Resume(lobby, "x"), s.InjectFrame(lobby, "x", "2"),
	} {
		if err == nil || !strings.Contains(err.Error(), "there is no user") {
			t.Errorf("got %v for a user who is not there", err)
		}
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
