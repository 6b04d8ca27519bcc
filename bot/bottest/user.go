package bottest

import (
	"context"
	"regexp"
	"strings"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
)

// User is somebody in a channel.
type User struct {
	*cytubetest.User
	w *World
}

// Join lets a user join the channel, with the account of that name if there is one, and
// returns when the bot has recorded it.
func (w *World) Join(name string) *User {
	w.t.Helper()
	secret := ""
	if _, has := ranks[name]; has {
		secret = password
	}
	before := w.joins(name)
	u, err := cytubetest.Join(w.Context, w.Site.URL(), w.Channel, name, secret)
	w.ok(err)
	w.t.Cleanup(u.Close)
	w.until(name+" to be seen", func() bool { return w.joins(name) > before })
	return &User{User: u, w: w}
}

// joins counts how often the bot saw a user join the channel.
func (w *World) joins(name string) (n int) {
	w.t.Helper()
	for _, s := range w.Stored("cytube.user.join") {
		join, err := event.As[event.UserJoin](s.Envelope)
		w.ok(err)
		if strings.EqualFold(join.Channel, w.Channel) && strings.EqualFold(join.User, name) {
			n++
		}
	}
	return n
}

// Says says a line and returns when the server has passed it on.
func (u *User) Says(line string) {
	u.w.t.Helper()
	u.w.ok(u.Say(u.w.Context, line))
}

// Does emits an event as the user's browser does, such as clearPlaylist.
func (u *User) Does(name string, args ...any) {
	u.w.t.Helper()
	u.w.ok(u.Emit(u.w.Context, name, args...))
}

// Hears reads what comes until the bot's line matches a regular expression, and returns
// that. Lines before it are not read again.
func (u *User) Hears(pattern string) string {
	u.w.t.Helper()
	re := regexp.MustCompile(pattern)
	var passed []string
	ctx, cancel := context.WithTimeout(u.w.Context, waitLimit)
	defer cancel()
	m, err := u.Expect(ctx, func(m cytubetest.Message) bool {
		if !strings.EqualFold(m.From, BotName) {
			return false
		}
		passed = append(passed, m.Text)
		return re.MatchString(m.Text)
	})
	if err != nil {
		u.w.t.Fatalf("%q did not hear %s, but %q: %v", u.Name(), pattern, passed, err)
	}
	return m.Text
}

// Hears reads what the bot says in the channel until a line matches a regular
// expression, and returns that, as somebody does who is in nobody's list of users. Lines
// before it are not read again.
func (w *World) Hears(pattern string) string { w.t.Helper(); return w.listener.Hears(pattern) }

// Asks has a user say a line, and returns the next line of the bot that Hears has not read.
func (w *World) Asks(u *User, line string) string {
	w.t.Helper()
	u.Says(line)
	return w.Hears("")
}

// BotLines returns all that the bot has said in the channel, oldest first.
func (w *World) BotLines() (lines []string) {
	for _, l := range w.Site.Heard() {
		if strings.EqualFold(l.User, BotName) && strings.EqualFold(l.Channel, w.Channel) {
			lines = append(lines, l.Text)
		}
	}
	return lines
}
