package moderation

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// types emits a line that the server takes for a command, which it does not pass on.
func types(u *bottest.User, line string) {
	u.Does("chatMsg", map[string]any{"msg": line, "meta": map[string]any{}})
}

// banned bans a user for good in the site's own window.
func banned(w *bottest.World, owner *bottest.User, user string) {
	owner.Does("unban", map[string]any{"id": 1, "name": user})
	types(owner, "/ban "+user+" for good")
}

func by(user string) func(streams.Stored) bool {
	return func(s streams.Stored) bool { return strings.Contains(string(s.Data), `"by":"`+user+`"`) }
}

// S12: somebody banned for a while is banned for good before that is over, by a person: the old
// timer does not end it, whether the bot saw it or was away.
func TestS12(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]bool{"seen": false, "away": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := bottest.Start(t)
			mod, owner := w.Join("mod"), w.Join("owner")
			asks(t, mod, "!ban carol 10s spam", "^🔨 carol is banned for 10s: spam$")
			if away {
				w.Stop()
			}
			banned(w, owner, "carol")
			if away {
				w.Restart()
			} else {
				w.Await(event.ModerationSubject(event.ActionBan), by("owner"))
			}
			w.Await(event.EventSubject(Name, eventEnd), nil)
			w.Await(event.EventSubject(Name, eventOver), about("carol"))
			asks(t, mod, "!pending", "^⏳ no ban or mute ends by itself$")
			asks(t, mod, "!case 1", "ended by owner$")
			if sends := w.Stored(event.SubjectSendUnban); len(sends) > 0 {
				t.Errorf("the timer ended what people decided: %s", sends[0].Data)
			}
		})
	}
}

// S13: an end that cannot be done is told once, can be listed, and is done as soon as the bot
// can.
func TestS13(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod := w.Join("mod")
	asks(t, mod, "!ban carol 5s spam", "^🔨 carol is banned for 5s: spam$")
	w.Kill()
	w.Site.SetRank(bottest.Channel, bottest.BotName, 1)
	w.Restart()
	mod.Hears("^⏳ the ban of carol is over, but I cannot lift it: .*rank 1")
	asks(t, mod, "!pending", "^⏳ #1 ban of carol, which I cannot lift .*, next try in ")
	w.Site.SetRank(bottest.Channel, bottest.BotName, 3)
	mod.Hears("^🕊️ carol may come back$")
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

// S13: what is undone by hand already counts as done, and is not said.
func TestS13Undone(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod, owner := w.Join("mod"), w.Join("owner")
	asks(t, mod, "!ban carol 5s spam", "^🔨 carol is banned for 5s: spam$")
	owner.Does("unban", map[string]any{"id": 1, "name": "carol"})
	w.Await(event.EventSubject(Name, eventOver), about("carol"))
	w.Await(event.EventSubject(Name, eventEnd), nil)
	asks(t, mod, "!case 1", "ended by owner$")
	if lines := w.BotLines(); len(lines) != 2 {
		t.Errorf("the bot said %q", lines)
	}
}

// S14: a mute holds for its time and no longer, wherever the user is meanwhile, in any spelling.
func TestS14(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod := w.Join("mod")
	asks(t, mod, "!mute dora 1h caps", "^🔇 dora is not here and will be muted on coming back before ")
	dora := w.Join("DORA")
	w.Await(event.ModerationSubject(event.ActionMute), about("DORA"))
	dora.Close()
	w.Await(event.SubjectUserLeave, about("DORA"))
	w.Stop() // also over a restart, and where the server forgot it
	types(mod, "/unmute DORA")
	w.Restart()
	w.Join("dOrA")
	w.Await(event.ModerationSubject(event.ActionMute), about("dOrA"))
	asks(t, mod, "!mute eve 1s caps", "^🔇 eve is not here")
	w.Await(event.EventSubject(Name, eventOver), about("eve"))
	w.Join("eve")
	asks(t, mod, "!history eve", "1 mute; #2 mute")
	if n := moderated(w, event.ActionMute, "eve"); n != 0 {
		t.Errorf("eve was muted %d times after the time was over", n)
	}
}

// A mute ends by itself, in the bot's next life too.
func TestMuteEnds(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod := w.Join("mod")
	w.Join("alice")
	asks(t, mod, "!mute alice 3s caps", "^🔇 alice is muted for 3s: caps$")
	w.Kill()
	w.Restart()
	mod.Hears("^🔊 alice may speak again$")
	if n := moderated(w, event.ActionUnmute, "alice"); n != 1 {
		t.Errorf("alice was unmuted %d times", n)
	}
}
