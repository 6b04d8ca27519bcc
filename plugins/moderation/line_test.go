package moderation

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
)

// While automod only watches, it notes what it would have done; when it is on, it warns, then
// mutes, also over a crash, and leaves ranks alone that are exempt; each act has its lines.
func TestAutomod(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod, alice, bob := w.Join("mod"), w.Join("alice"), w.Join("bob")
	w.Set(bottest.Channel, Name, "automod", Watch)
	w.Set(bottest.Channel, Name, "links", "deny")
	bob.Says("see youtube.com@evil.tld")
	hit := string(w.Await(event.EventSubject(Name, eventHit), about("bob")).Data)
	for _, want := range []string{`"rule":"links"`, `"why":"evil.tld"`, `"step":"warn"`, `"acted":false`} {
		if !strings.Contains(hit, want) {
			t.Errorf("%s is not in %s", want, hit)
		}
	}
	asks(t, mod, "!history bob", "^📋 nothing was done about bob")

	w.Set(bottest.Channel, Name, "automod", On)
	w.Set(bottest.Channel, Name, "deny_words", "spoilers?")
	mod.Says("no spoilers please")
	alice.Says("SPOILER: he dies")
	mod.Hears(`^⚠️ alice: words: spoilers\? \(1 warning\)$`)
	w.Kill()
	w.Restart()
	alice.Says("spoilers again")
	mod.Hears(`^🔇 alice is muted for 10m: words: spoilers\?$`)
	asks(t, mod, "!history alice", "1 warn; 1 mute; #2 mute .* by automod .words.")
	asks(t, mod, "!automod", "^🛡️ automod is on: .*1 words; then warn, mute:10m, kick, ban:1d; not for rank 2 and up")
	for _, s := range w.Stored(event.EventSubject(Name, eventAct)) {
		if !strings.Contains(string(s.Data), `"lines":["CYTUBE:`) || !strings.Contains(string(s.Data), `"rule":"words"`) {
			t.Errorf("an act without its lines: %s", s.Data)
		}
	}
	if n := len(w.Stored(event.EventSubject(Name, eventHit))); n != 3 {
		t.Errorf("%d hits", n)
	}
	kickS15(t, w, mod)
	raids(t, w)
}

// kickS15 has automod leave alone who is of the bot's rank or above, and hit others of rank.
func kickS15(t *testing.T, w *bottest.World, mod *bottest.User) {
	t.Helper()
	w.Set(bottest.Channel, Name, "exempt_rank", "9")
	w.Set(bottest.Channel, Name, "steps", "kick")
	w.Join("owner").Says("spoilers")
	hit := w.Await(event.EventSubject(Name, eventHit), about("owner"))
	mod.Says("spoilers")
	w.Await(event.ModerationSubject(event.ActionKick), about("mod"))
	if sends := w.Stored(event.SubjectSendKick); len(sends) != 1 || !strings.Contains(string(hit.Data), `"acted":false`) {
		t.Errorf("%d sends; %s", len(sends), hit.Data)
	}
	w.Set(bottest.Channel, Name, "exempt_rank", "2")
}

// raids has first visits in a wave begin a raid: who came with it is muted as soon as they speak.
func raids(t *testing.T, w *bottest.World) {
	t.Helper()
	mod := w.Join("mod")
	w.Set(bottest.Channel, Name, "raid_time", "10m")
	w.Set(bottest.Channel, Name, "raid_joins", "2")
	w.Join("dora")
	eve := w.Join("eve")
	mod.Hears("^🚨 2 first visits within 10m: until .* UTC, mute 1h for new users who speak$")
	mod.Says("what is going on?")
	eve.Says("hello")
	mod.Hears("^🔇 eve is muted for 1h: raid: a first visit during a raid$")
	if n := len(w.Stored(event.EventSubject(Name, eventHit))); n != 6 {
		t.Errorf("%d hits", n)
	}
}
