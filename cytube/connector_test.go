package cytube_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestHearsAndAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join()
	alice := w.user("alice")
	w.ok(alice.Say(w.ctx, "hello <b> & 'you'"))
	s := w.heard("hello <b> & 'you'")
	if u, rank := field[string](s, "user"), field[int](s, "rank"); u != "alice" || rank != 1 {
		t.Errorf("got user %q of rank %d", u, rank)
	}
	ack := w.chat("hello yourself")
	echo := w.heard("hello yourself")
	if cause, _ := echo.Causation(); cause != ack.Ref {
		t.Errorf("the echo's cause is %v, not %v", cause, ack.Ref)
	}
	m, err := alice.Next(w.ctx)
	w.ok(err)
	if m.Text != "hello yourself" || m.From != "Rosey" {
		t.Errorf("alice heard %+v", m)
	}
}

// There are many ways into a channel.
func TestJoins(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		password string // of the channel
		change   func(*cytube.Config)
		want     string // the reason of cytube.connection up
	}{
		{"account", "", func(*cytube.Config) {}, "joined as Rosey"},
		{"guest", "", func(b *cytube.Config) { b.User, b.Password = "guesty", "" }, "joined as guesty"},
		{"channel in capitals", "", func(b *cytube.Config) { b.Channel = strings.ToUpper(b.Channel) }, "joined as Rosey"},
		{"unregistered channel", "", func(b *cytube.Config) { b.Channel = "elsewhere" }, "joined as Rosey"},
		{"channel password", "sesame", func(b *cytube.Config) { b.ChannelPassword = "sesame" }, "joined as Rosey"},
		{"moderator without the channel password", "sesame", func(b *cytube.Config) { b.User, b.Password = "mod", "mod-pw" }, "joined as mod"},
		{"moderator with a wrong channel password", "sesame", func(b *cytube.Config) {
			b.ChannelPassword, b.User, b.Password = "wrong", "mod", "mod-pw"
		}, "joined as mod"},
	}
	site := newWorld(t, withChannels(len(tests), func(i int, c *cytubetest.Channel) { c.Password = tests[i].password }))
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := site.in(t, channelOf(i))
			test.change(&w.cfg)
			w.joinsAndLeaves(test.want)
		})
	}
	t.Run("old server", func(t *testing.T) {
		t.Parallel()
		newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) { s.Protocol = 3 }).joinsAndLeaves("joined as Rosey")
	})
}

// joinsAndLeaves starts a bot, checks the reason of its cytube.connection up, and stops it.
func (w *world) joinsAndLeaves(want string) {
	w.t.Helper()
	b := w.start()
	up := w.connection(event.StateUp)
	if up.Reason != want || up.Channel != strings.ToLower(w.cfg.Channel) || up.Time == 0 {
		w.t.Errorf("got %+v", up)
	}
	if !b.IsBot(w.cfg.Channel, strings.ToUpper(w.cfg.User)) || b.IsBot(w.cfg.Channel, "alice") || b.IsBot("other", w.cfg.User) {
		w.t.Error("the bot does not know itself")
	}
	if err := b.stop(); err != nil {
		w.t.Errorf("Run returned %v", err)
	}
	if down := w.connection(event.StateDown); down.Reason != "the bot stops" {
		w.t.Errorf("got %+v", down)
	}
	w.ok(w.site.WaitGone(w.ctx, w.cfg.Channel, w.cfg.User))
}

// What trying again cannot mend ends Run with an error that says what to do.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot for each case")
	tests := []struct {
		name     string
		password string // of the channel
		change   func(*cytube.Config)
		before   func(*world)
		want     string // in the error
		advice   string
	}{
		{"no name", "", func(b *cytube.Config) { b.User = "" }, nil, "no name", "user name"},
		{"wrong password", "", func(b *cytube.Config) { b.Password = "x" }, nil, "Invalid username/password", "check the password"},
		{"unknown account", "", func(b *cytube.Config) { b.User = "nobody" }, nil, "does not exist", "register"},
		{"registered name", "", func(b *cytube.Config) { b.Password = "" }, nil, "is registered", "password"},
		{"reserved name", "", func(b *cytube.Config) { b.User, b.Password = "admin", "" }, nil, "reserved", "user name"},
		{"bad name", "", func(b *cytube.Config) { b.User, b.Password = "a b", "" }, nil, "Invalid username", "1 to 20"},
		{"bad channel", "", func(b *cytube.Config) { b.Channel = "a b" }, nil, "no channel", "correct the channel"},
		{"bad site", "", func(b *cytube.Config) { b.Site = "cytu.be" }, nil, "must be a URL", "correct the site"},
		{"no channel password", "sesame", func(b *cytube.Config) {
			b.User, b.Password = "guesty", ""
		}, nil, "wants a password", "channel's password"},
		{"wrong channel password", "sesame", func(b *cytube.Config) {
			b.ChannelPassword, b.JoinTimeout = "wrong", 400*time.Millisecond
		}, nil, "does not take", "correct the channel's password"},
		{"banned account", "", func(*cytube.Config) {}, func(w *world) { w.site.Ban(w.cfg.Channel, "rosey") }, "banned", "lift the ban"},
		{"banned address", "", func(*cytube.Config) {}, func(w *world) {
			w.site.Refuse("You are banned from the server")
			w.t.Cleanup(func() { w.site.Refuse("") })
		}, "banned", "lift the ban"},
	}
	site := newWorld(t, withChannels(len(tests), func(i int, c *cytubetest.Channel) { c.Password = tests[i].password }))
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := site.in(t, channelOf(i))
			test.change(&w.cfg)
			if test.before != nil {
				test.before(w)
			}
			err := w.failed(w.start())
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.advice) {
				t.Errorf("got %q", err)
			}
		})
	}
}

// Whatever breaks the connection, the bot comes back and says why it was away.
func TestComesBack(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot for each case")
	for _, test := range []struct {
		name   string
		change func(*cytubetest.Config, *cytube.Config)
		break_ func(*world) error
		want   string // the reason of cytube.connection down
	}{
		{"lost connection", nil, func(w *world) error { return w.site.Drop(lounge, "Rosey") }, "1006"},
		{"kick", nil, func(w *world) error { return w.site.Kick(lounge, "Rosey", "begone") }, "kicked: begone"},
		{"kick without a reason", nil, func(w *world) error { return w.site.InjectFrame(lounge, "Rosey", `42["kick",{}]`) }, "without a reason"},
		{"site down", nil, func(w *world) error { w.site.Stop(); return w.site.Restart() }, "1006"},
		{"silence", func(s *cytubetest.Config, _ *cytube.Config) {
			s.PingInterval, s.PingTimeout = time.Second, 3*time.Second // a machine that is busy stalls too
		}, func(w *world) error { return w.site.Stall(lounge, "Rosey") }, "stopped pinging"},
		{"channel unloaded", nil, func(w *world) error { return w.site.Kick(lounge, "Rosey", "Channel shutting down") }, "shutting down"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.change)
			b := w.join()
			w.ok(test.break_(w))
			if down := w.connection(event.StateDown); !strings.Contains(down.Reason, test.want) {
				t.Errorf("went down because of %q", down.Reason)
			}
			w.connection(event.StateUp)
			w.chat("still here")
			w.heard("still here")
			if s := b.Stats(); s.Joins != 2 || !s.Connected {
				t.Errorf("got %+v", s)
			}
		})
	}
}

// What passes with time is waited for.
func TestWaitsUntilItMayJoin(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot for each case")
	for _, test := range []struct {
		name   string
		change func(*cytubetest.Config, *cytube.Config)
		before func(*world)
		after  func(*world)
		soon   bool // it may join before it was refused
	}{
		{"site down", nil, func(w *world) { w.site.Stop() }, func(w *world) { w.ok(w.site.Restart()) }, false},
		{"too many connections", nil, func(w *world) { w.site.Refuse("Rate limit exceeded") }, func(w *world) { w.site.Refuse("") }, false},
		{"guest logins limited", func(s *cytubetest.Config, b *cytube.Config) {
			s.GuestDelay, b.User, b.Password = time.Second, "guesty", ""
		}, func(w *world) { w.user("visitor") }, func(*world) {}, true},
		{"name in use", func(_ *cytubetest.Config, b *cytube.Config) { b.User, b.Password = "guesty", "" },
			func(w *world) { w.user("guesty") }, func(w *world) { w.ok(w.site.Drop(lounge, "guesty")) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.change)
			test.before(w)
			retried := w.logged("not in channel, reconnecting")
			w.start()
			if !test.soon {
				retried()
			}
			test.after(w)
			w.connection(event.StateUp)
		})
	}
}

// The bot does not fight over its account.
func TestDuplicateLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.join()
	intrude := func() {
		u, err := cytubetest.Join(w.ctx, w.site.URL(), lounge, "rosey", "rosey-pw")
		w.ok(err)
		t.Cleanup(u.Close)
	}
	intrude()
	if down := w.connection(event.StateDown); !strings.Contains(down.Reason, "logged in") {
		t.Errorf("went down because of %q", down.Reason)
	}
	w.connection(event.StateUp) // once it comes back: the other may be its own past
	intrude()
	if err := w.failed(b); !strings.Contains(err.Error(), "logged in elsewhere twice") || !strings.Contains(err.Error(), "account of its own") {
		t.Errorf("got %q", err)
	}
}

// Frames that make no sense change nothing.
func TestSurvivesBadFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.join()
	bad := []string{
		`42["chatMsg"]`, `42["chatMsg",null]`, `42["chatMsg",{"username":5}]`, `42["userlist",{"a":1}]`, `42["userlist",[null]]`,
		`42[]`, `42{}`, `42[5]`, `42["chatMsg",`, `9`, `45["x"]`, `4`, `42/other,["chatMsg",{}]`,
		`42["chatMsg",{"username":"a","msg":"` + strings.Repeat("x", 1<<20) + `","time":1}]`,
		`42["chatMsg",` + strings.Repeat(`{"a":`, 9_000) + "1" + strings.Repeat("}", 9_000) + `]`,
		`42["rank","x"]`, `42["channelOpts",5]`, `42["cooldown",{}]`, `42["errorMsg",[]]`, `42["noflood",7]`, `42["spamFiltered"]`,
		`42["login",{"success":false,"error":"late"}]`, `42["needPassword",true]`,
	}
	for _, f := range bad {
		w.ok(w.site.InjectFrame(lounge, "Rosey", f))
	}
	w.ok(w.user("alice").Say(w.ctx, "well?"))
	w.heard("well?")
	w.chat("fine")
	w.heard("fine")
	if s := b.Stats(); s.Joins != 1 || s.Malformed < 12 || s.Unrecorded != 1 {
		t.Errorf("got %+v", s)
	}
}

// What others do becomes events.
func TestRecordsTheChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("first")
	w.join()
	join := func(user string) func(streams.Stored) bool {
		return func(s streams.Stored) bool {
			return s.Subject == event.SubjectUserJoin && field[string](s, "user") == user
		}
	}
	w.await("the bot's own join", join("Rosey"))
	alice := w.user("alice")
	w.await("a join", join("alice"))
	w.site.SetRank(lounge, "alice", 2)
	s := w.await("a rank", func(s streams.Stored) bool { return s.Subject == event.SubjectUserRank })
	if field[string](s, "user") != "alice" || field[int](s, "rank") != 2 {
		t.Errorf("got %s", s.Data)
	}
	w.ok(alice.Say(w.ctx, "/me waves"))
	if s := w.heard("waves"); !field[bool](s, "action") || field[int](s, "rank") != 2 {
		t.Errorf("got %s", s.Data)
	}
	w.ok(alice.PM(w.ctx, "rosey", "psst"))
	s = w.await("a private message", func(s streams.Stored) bool { return s.Subject == event.SubjectPM })
	if field[string](s, "message") != "psst" || field[string](s, "to") != "Rosey" {
		t.Errorf("got %s", s.Data)
	}
	uid, err := w.site.AddMedia(lounge, "alice", cytubetest.Media{ID: "abc", Type: "yt", Title: "A & B", Seconds: 61})
	w.ok(err)
	s = w.await("queued media", func(s streams.Stored) bool { return s.Subject == event.SubjectMediaQueue })
	if field[string](s, "queued_by") != "alice" || field[int](s, "uid") != uid {
		t.Errorf("got %s", s.Data)
	}
	s = w.await("changed media", func(s streams.Stored) bool { return s.Subject == event.SubjectMediaChange })
	if field[string](s, "queued_by") != "alice" || field[string](s, "url") != "https://youtube.com/watch?v=abc" || field[int](s, "duration") != 61 {
		t.Errorf("got %s", s.Data)
	}
	w.ok(w.site.RemoveMedia(lounge, uid))
	s = w.await("deleted media", func(s streams.Stored) bool { return s.Subject == event.SubjectMediaDelete })
	if field[string](s, "title") != "A & B" {
		t.Errorf("got %s", s.Data)
	}
	alice.Close()
	w.await("a leave", func(s streams.Stored) bool {
		return s.Subject == event.SubjectUserLeave && field[string](s, "user") == "alice"
	})

	for _, s := range w.stored(event.SubjectUserJoin) {
		if field[string](s, "user") == "first" {
			t.Error("who was there before the bot has joined")
		}
	}
	ids := map[string]bool{}
	for _, s := range w.stored(event.AllCytube) {
		if ids[s.CorrelationID] || s.CorrelationID == "" || s.Meta(event.MetaSource) != "cytube" {
			t.Errorf("%s: correlation %q, source %q", s.Subject, s.CorrelationID, s.Meta(event.MetaSource))
		}
		ids[s.CorrelationID] = true
	}
}

// A moderator sees lines of users who are muted without knowing it.
func TestShadowMuted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.User, b.Password = "mod", "mod-pw" })
	w.join()
	alice := w.user("alice")
	w.await("the bot's rank", func(s streams.Stored) bool {
		return s.Subject == event.SubjectUserJoin && field[string](s, "user") == "mod" && field[int](s, "rank") == 2
	})
	w.ok(w.site.Mute(lounge, "alice", true))
	w.ok(alice.Send(w.ctx, "!roll"))
	if s := w.heard("!roll"); !field[bool](s, "shadow") {
		t.Errorf("got %s", s.Data)
	}
}

// A moderator who is muted without knowing it gets each line as both, and the
// second copy is no answer to what is said next.
func TestShadowMutedModerator(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.User, b.Password = "mod", "mod-pw" })
	b := w.join()
	w.await("the bot's rank", func(s streams.Stored) bool {
		return s.Subject == event.SubjectUserJoin && field[string](s, "user") == "mod" && field[int](s, "rank") == 2
	})
	w.ok(w.site.Mute(lounge, "mod", true))
	want := map[string][]string{}
	for i := range 10 {
		text := fmt.Sprint("line ", i)
		want[text] = []string{w.chat(text).Ref.String()}
	}
	w.counted(b, func(s cytube.Stats) bool { return s.Echoed == 10 })
	w.ok(b.stop())
	causes := map[string][]string{}
	for _, s := range w.stored(event.SubjectChat) {
		text := field[string](s, "message")
		causes[text] = append(causes[text], s.Meta(event.MetaCausation))
	}
	if diff := cmp.Diff(want, causes); diff != "" {
		t.Errorf("the lines and what they name as their cause: %s", diff)
	}
}

// Who came and went while the bot was away, and what plays since, is found out.
func TestCatchesUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.site.AddMedia(lounge, "alice", cytubetest.Media{ID: "one", Type: "yt", Title: "One", Seconds: 600})
	w.ok(err)
	alice := w.user("alice")
	w.join()
	w.site.Refuse("Rate limit exceeded")
	w.ok(w.site.Drop(lounge, "Rosey"))
	w.connection(event.StateDown)
	w.ok(w.site.WaitGone(w.ctx, lounge, "Rosey"))
	alice.Close()
	w.ok(w.site.WaitGone(w.ctx, lounge, "alice"))
	w.site.Refuse("")
	w.user("bob")

	want := map[string]bool{event.SubjectUserLeave + " alice": true, event.SubjectUserJoin + " bob": true, event.SubjectConnection + " ": true}
	w.await("who went and who came", func(s streams.Stored) bool {
		delete(want, s.Subject+" "+field[string](s, "user"))
		return len(want) == 0
	})
	w.chat("mark")
	w.heard("mark")
	if n := len(w.stored(event.SubjectMediaChange)); n != 1 {
		t.Errorf("%d media changes of one", n)
	}
}
