package moderation

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

func TestMain(m *testing.M) { bottest.Main(m, New()) }

// about returns whether an event is about a user.
func about(user string) func(streams.Stored) bool {
	return func(s streams.Stored) bool { return strings.Contains(string(s.Data), `"user":"`+user+`"`) }
}

// moderated counts what was done in the channel to a user.
func moderated(w *bottest.World, action, user string) (n int) {
	for _, s := range w.Stored(event.ModerationSubject(action)) {
		if about(user)(s) {
			n++
		}
	}
	return n
}

func asks(t *testing.T, u *bottest.User, line, want string) {
	t.Helper()
	u.Says(line)
	if got := u.Hears(""); !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("%s was answered %q, want %s", line, got, want)
	}
}

// Rank holds for every act (S15); what moderators ask for is done, confirmed once it is, and known
// afterwards; who shares an address with a banned user is reported, or banned until the same time.
func TestActs(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod := w.Join("mod")
	refuseS15(t, w, mod)
	alice := w.Join("alice")
	alice.Says("the butler did it")
	for _, step := range [][2]string{
		{"!kick alice no spoilers", "^👢 alice was kicked: no spoilers$"},
		{"!ban carol 7d spam and more", "^🔨 carol is banned for 7d: spam and more$"},
		{"!pending", "^⏳ #3 ban of carol, ends in (7d|6d 23h)$"},
		{"!ban carol 30d 2nd time", "^🔨 carol is banned for 30d: 2nd time$"},
		{"!pending", "^⏳ #4 ban of carol, ends in (30d|29d 23h)$"},
		{"!unban CAROL", "^🕊️ CAROL may come back$"},
		{"!pending", "^⏳ no ban or mute ends by itself$"},
		{"!warn bob mind your language", `^⚠️ bob: mind your language \(1 warning\)$`},
		{"!warn @Bob: again", `^⚠️ bob: again \(2 warnings\)$`},
		{"!warnings bob", "^📋 bob has 2 warnings: #7 warn .* by mod: again; #6 warn .*: mind your language$"},
		{"!note bob asked nicely", `^📝 Noted about bob \(#8\)$`},
		{"!mute bob 3rd time", "^🔇 bob is muted: 3rd time$"},
		{"!unmute bob", "^🔊 bob may speak again$"},
		{"!history bob", "^📋 bob: first here .* ago; 1 note; 2 warns; 1 mute; #10 unmute .*; #9 mute .*, ended by mod; #8 note .* by mod$"},
		{"!case 2", `^📁 alice: #2 kick .* by mod: no spoilers; 1 line \(rosey audit case 2`},
		{"!case 99", "^❌ there is no case #99 in this channel$"},
		{"!unban carol", "^🕊️ carol may come back$"},
	} {
		asks(t, mod, step[0], step[1])
	}
	noteOften(t, w, "bob", 300)
	asks(t, mod, "!history bob", "^📋 bob: first here .* ago; 301 notes; 3 warns; 1 mute; ")
	asks(t, mod, "!warnings bob", "^📋 bob has 2 warnings: ")
	w.Set(bottest.Channel, Name, "announce", "off")
	w.Set(bottest.Channel, Name, "text_unmute", "{{.user}} darf wieder reden")
	asks(t, mod, "!mute bob 1h", "^🔇 bob is muted for 1h$")
	asks(t, mod, "!unmute bob", "^bob darf wieder reden$")
	w.Await(event.SubjectSendPM, func(s streams.Stored) bool { return strings.Contains(string(s.Data), "bob darf wieder reden") })
	w.Set(bottest.Channel, Name, "announce", "on")
	if s := w.Await(event.EventSubject(Name, eventAct), about("alice")); !strings.Contains(string(s.Data), `"lines":["CYTUBE:`) {
		t.Errorf("the act has no lines: %s", s.Data)
	}
	for _, set := range []string{tellAliases, banAliases} {
		w.Set(bottest.Channel, Name, "alias_bans", set)
		evade(t, w, mod, set)
	}
}

// refuseS15 asks for what is refused before anything is done, the mild acts too: who names
// nobody strikes nobody.
func refuseS15(t *testing.T, w *bottest.World, mod *bottest.User) {
	t.Helper()
	admin := w.Join("admin")
	w.Join("owner")
	w.Join("bob")
	for line, want := range map[string]string{
		"!ban":                      "❌ say whom, for example !ban bob 7d spam",
		"!ban @":                    "❌ @ cannot be a user's name",
		"!mute two$words 10m":       "❌ two\\$words cannot be a user's name",
		"!ban admin 7d spam":        "❌ admin has rank 3, and yours is 2",
		"!kick OWNER":               "❌ owner has rank 4, and yours is 2",
		"!warn admin hush":          "❌ admin has rank 3, and yours is 2",
		"!note owner odd":           "❌ owner has rank 4, and yours is 2",
		"!mute mod":                 "❌ that is you",
		"!ban rosey":                "❌ Rosey is me",
		"!ban bob 0 spam":           "❌ a ban lasts longer than 0",
		"!mute bob 0s":              "❌ a mute lasts longer than 0s",
		"!mute bob -5m":             "❌ a mute lasts longer than -5m",
		"!ban bob 99y":              "❌ a ban with an end lasts 10 years at most",
		"!ban bob 7x spam":          "❌ 7x is no time",
		"!mute bob 99999999999999d": "❌ 99999999999999d is no time",
		"!warn bob":                 "❌ say why, for example !warn bob",
		"!strike ok":                "❌ say a phrase of 3 characters or more",
		"!case x":                   "❌ x is not a case's number",
		"!unstrike":                 "❌ there is no such strike",
	} {
		asks(t, mod, line, "^"+want)
	}
	admin.Says("!ban owner")
	mod.Hears("^❌ owner has rank 4, and yours is 3")
	if sends := w.Stored("cytube.send.moderation.>"); len(sends) > 0 {
		t.Errorf("the channel was asked for %s", sends[0].Data)
	}
	asks(t, mod, "!kick nobody", "^❌ kicking nobody did not work: .*not in the channel")
}

// noteOften stores notes about a user, and a warning that counts no longer, as if they had been made long ago.
func noteOften(t *testing.T, w *bottest.World, user string, n int) {
	t.Helper()
	notes := event.Batch{Collection: Cases}
	for i := range n + 1 {
		kind := kindNote
		if i == n {
			kind = kindWarn
		}
		notes.Operations = append(notes.Operations, json.RawMessage(fmt.Sprintf(
			`{"op":"set","data":{"channel":%q,"kind":%q,"user":%q,"key":%[3]q,"made":1,"status":"done"}}`, bottest.Channel, kind, user,
		)))
	}
	if _, err := w.Request(event.SubjectBatch, notes); err != nil {
		t.Fatal(err)
	}
}

// evade bans a user, and has another of the same address come.
func evade(t *testing.T, w *bottest.World, mod *bottest.User, set string) {
	t.Helper()
	first, second := set+"1", set+"2"
	w.Join(first)
	asks(t, mod, "!ban "+first+" 1d spam", "🔨 "+first+" is banned for 1d: spam")
	w.Join(second)
	w.Publish(event.SubjectUserAliases, event.UserAliases{User: second, Aliases: []string{first}, Channel: bottest.Channel})
	w.Await(event.EventSubject(Name, eventAlias), about(second))
	if set == tellAliases {
		mod.Hears("^👥 " + second + " is here, and shares an address with " + first + ", who is banned")
	} else {
		mod.Hears("^🔨 " + second + " is banned for .*: shares an address with " + first + ": spam$")
	}
	asks(t, mod, "!history "+second, "shares an address with "+first)
}

// An act that is cut off by a crash is done once, and told once, whether the server took it or not.
func TestKilledWhileMuting(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod := w.Join("mod")
	for i, name := range []string{"alice", "bob"} {
		w.Join(name)
		w.KillAt("chatMsg", i == 0, func() { mod.Says("!mute " + name + " 1h caps") })
		mod.Hears("^🔇 " + name + " is muted for 1h: caps$")
		asks(t, mod, "!history "+name, fmt.Sprintf("1 mute; #%d mute .*, ends in (1h|59m)", i+1))
		if n := moderated(w, event.ActionMute, name); n != 1 {
			t.Errorf("%s was muted %d times", name, n)
		}
		if n := len(w.Stored(event.EventSubject(Name, eventAct))); n != i+1 {
			t.Errorf("%d events tell of it", n)
		}
	}
}
