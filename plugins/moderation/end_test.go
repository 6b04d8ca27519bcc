package moderation

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
)

// types emits a line that the server takes for a command, which it does not pass on.
func types(u *bottest.User, line string) {
	u.Does("chatMsg", map[string]any{"msg": line, "meta": map[string]any{}})
}

// banned bans a user for good in the site's own window.
func banned(t *testing.T, w *bottest.World, owner *bottest.User, user string) {
	t.Helper()
	unbanned(t, w, owner, user)
	types(owner, "/ban "+user+" for good")
}

// unbanned lifts the ban of a user in the site's own window.
func unbanned(t *testing.T, w *bottest.World, owner *bottest.User, user string) {
	t.Helper()
	if err := owner.Unban(w.Context, user); err != nil {
		t.Fatal(err)
	}
}

// What people do by hand wins over the timer of a ban, whether the bot saw it or was away (S12),
// and what is undone by hand counts as done (S13); a mute ends by itself in the bot's next life;
// an end that cannot be done is reported once, can be listed, and is done as soon as the bot can (S13).
func TestEnds(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod, owner := w.Join("mod"), w.Join("owner")
	w.Join("alice")
	asks(t, mod, "!ban carol 10s spam", "^🔨 carol is banned for 10s: spam$")
	asks(t, mod, "!ban bob 10s spam", "^🔨 bob is banned for 10s: spam$")
	banned(t, w, owner, "carol")
	unbanned(t, w, owner, "bob")
	w.Await(event.EventSubject(Name, eventOver), about("carol"))
	w.Await(event.EventSubject(Name, eventOver), about("bob"))
	w.Until("both timers", func() bool { return len(w.Stored(event.EventSubject(Name, eventEnd))) == 2 })
	asks(t, mod, "!case 1", "ended by owner$")
	asks(t, mod, "!case 2", "ended by owner$")
	if lines := w.BotLines(); len(lines) != 4 {
		t.Errorf("the bot said %q", lines)
	}

	asks(t, mod, "!ban dora 10s spam", "^🔨 dora is banned for 10s: spam$")
	asks(t, mod, "!mute alice 3s caps", "^🔇 alice is muted for 3s: caps$")
	w.Kill()
	banned(t, w, owner, "dora")
	w.Restart()
	mod.Hears("^🔊 alice may speak again$")
	w.Await(event.EventSubject(Name, eventOver), about("dora"))
	asks(t, mod, "!pending", "^⏳ no ban or mute ends by itself$")
	asks(t, mod, "!case 3", "ended by owner$")
	if sends := w.Stored(event.SubjectSendUnban); len(sends) > 0 {
		t.Errorf("a timer ended what people decided: %s", sends[0].Data)
	}
	if n := moderated(w, event.ActionUnmute, "alice"); n != 1 {
		t.Errorf("alice was unmuted %d times", n)
	}
	endWithoutRank(t, w, mod)
}

// endWithoutRank has a ban end while the bot may not lift it.
func endWithoutRank(t *testing.T, w *bottest.World, mod *bottest.User) {
	t.Helper()
	asks(t, mod, "!ban eve 5s spam", "^🔨 eve is banned for 5s: spam$")
	w.Kill()
	w.Site.SetRank(bottest.Channel, bottest.BotName, 1)
	w.Restart()
	mod.Hears("^⏳ the ban of eve is over, but I cannot lift it: .*rank 1")
	asks(t, mod, "!pending", "^⏳ #5 ban of eve, which I cannot lift .*, next try in ")
	w.Site.SetRank(bottest.Channel, bottest.BotName, 3)
	mod.Hears("^🕊️ eve may come back$")
	told := 0
	for _, line := range w.BotLines() {
		if strings.Contains(line, "cannot lift it") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("it was told %d times: %q", told, w.BotLines())
	}
}

// Over a restart: a mute holds for its time and no longer, wherever the user is meanwhile, in any
// spelling (S14); a strike, which hits who said the phrase and is below, and says whom, is taken
// back as one (S18).
func TestRestart(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod := w.Join("mod")
	asks(t, mod, "!mute dora 1h caps", "^🔇 dora is not here and will be muted on coming back before ")
	dora := w.Join("DORA")
	w.Await(event.ModerationSubject(event.ActionMute), about("DORA"))
	dora.Close()
	w.Await(event.SubjectUserLeave, about("DORA"))
	strike(t, w, mod)

	w.Stop()
	types(mod, "/unmute DORA") // the server forgot it, too
	w.Restart()
	w.Join("dOrA")
	w.Await(event.ModerationSubject(event.ActionMute), about("dOrA"))
	asks(t, mod, "!unstrike", "^⚔️ taking back #2: (gina and hank|hank and gina)$")
	for _, name := range []string{"gina", "hank"} {
		w.Await(event.ModerationSubject(event.ActionUnmute), about(name))
		if n := moderated(w, event.ActionMute, name); n != 1 {
			t.Errorf("%s was muted %d times", name, n)
		}
	}
	asks(t, mod, "!unstrike 2", "^❌ there is no such strike")

	asks(t, mod, "!mute eve 1s caps", "^🔇 eve is not here")
	w.Await(event.EventSubject(Name, eventOver), about("eve"))
	w.Join("eve")
	asks(t, mod, "!history eve", "1 mute; #5 mute")
	if n := moderated(w, event.ActionMute, "eve"); n != 0 {
		t.Errorf("eve was muted %d times after the time was over", n)
	}
}

// strike strikes two who said a phrase, among others who did not or whose rank is exempt.
func strike(t *testing.T, w *bottest.World, mod *bottest.User) {
	t.Helper()
	for name, line := range map[string]string{"admin": "do not BUY my stuff", "alice": "what?", "gina": "buy my STUFF now", "hank": "buy my stuff"} {
		w.Join(name).Says(line)
	}
	w.Set(bottest.Channel, Name, "strike_time", "10m")
	w.Set(bottest.Channel, Name, "strike_most", "1")
	asks(t, mod, "!strike sell my stuff", "^❌ nobody said that within 10m")
	asks(t, mod, "!strike mute 0s buy my stuff", "^❌ a mute that ends by itself lasts")
	asks(t, mod, "!strike mute 10m buy my stuff", "^❌ that would hit 2 users, and a strike hits 1 at most")
	w.Set(bottest.Channel, Name, "strike_most", "2")
	asks(t, mod, "!strike mute 10m Buy my stuff", "^⚔️ #2: asking to mute 10m (gina and hank|hank and gina); !unstrike 2 takes it back$")
	for _, name := range []string{"gina", "hank"} {
		w.Await(event.ModerationSubject(event.ActionMute), about(name))
	}
	for _, name := range []string{"admin", "alice"} {
		if n := moderated(w, event.ActionMute, name); n > 0 {
			t.Errorf("%s was muted", name)
		}
	}
}
