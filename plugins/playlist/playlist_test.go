package playlist

import "testing"

// People add and look, moderators change the playlist; each act is confirmed to its user.
func testCommands(t *testing.T, w world) {
	alice, mod := w.Join("alice"), w.Join("mod")
	w.answers(alice, [][2]string{
		{"!np", "⏹️ Nothing plays"}, {"!next", "⏭️ Nothing comes next"}, {"!queue", "📃 Nothing waits"}, {"!whoqueued", "❌ nothing plays"}, {"!last", "⏮️ Nothing has"},
		{"!add https://youtu.be/aaaaaaa0200", "alice: ✅ added “aaaaaaa0200” (3:20), it plays now"},
		{"!add bbbbbbb0100", "alice: ✅ added “bbbbbbb0100” (1:40), number 1"},
		{"!add yt:ccccccc0100 temp", "alice: ✅ added “ccccccc0100” (1:40), number 2"},
		{"!np", "▶️ “aaaaaaa0200” (0:0"}, {"!next", "⏭️ “bbbbbbb0100” (1:40), in 3:"}, {"!queue", "📃 2 items, 3:20: #1 “bbbbbbb0100” (1:40), #2"},
		{"!whoqueued", "👤 “aaaaaaa0200”, added by alice"}, {"!whoqueued ccccccc", "👤 “ccccccc0100”, added by alice"},
		{"!add https://youtu.be/ddddddd0100 next", "❌ you may add, but not next: that needs rank 2"}, {"!wrong", "alice: 🗑️ removed “ccccccc0100”"},
	}...)
	w.shows("[aaaaaaa0200] bbbbbbb0100")
	w.answers(mod, [][2]string{
		{"!add eeeeeee0300 next", "mod: ✅ added “eeeeeee0300” (5:00), it comes next"}, {"!move bbbbbbb next", "mod: ↕️ moved “bbbbbbb0100”"},
		{"!remove #2", "mod: 🗑️ removed “eeeeeee0300”"}, {"!lock", "mod: 🔒"}, {"!lock on", "mod: 🔒"},
	}...)
	w.answers(mod, [][2]string{
		{"!lock off", "mod: 🔓"}, {"!skip", "mod: ⏭️ skipped “aaaaaaa0200”"}, {"!last", "⏮️ “aaaaaaa0200” (1m ago)"}, {"!shuffle", "mod: 🔀"},
		{"!playlists save Friday", "📼 saved 1 item as Friday"}, {"!clear", "mod: 🧹 cleared the playlist of 1 item"}, {"!playlists", "📼 Friday (1)"},
		{"!playlists load fridey", "❌ no playlist “fridey” is saved: did you mean Friday?"}, {"!playlists load FRIDAY", "mod: ✅ adding Friday: 1 item"},
		{"!playlists rm friday", "🗑️ removed the saved playlist Friday of 1 item"}, {"!playlists load friday", "❌ no playlist"},
	}...)
	w.shows("[bbbbbbb0100]")
}

// What cannot be done is said with the reason, and nothing is half done.
func testBadInput(t *testing.T, w world) {
	w.set("max_length", "10m", "min_length", "70s", "banned", `https://youtu.be/xxxxxxx0200, @carol, /^bad/, 100%`)
	mod, alice, carol := w.Join("mod"), w.Join("alice"), w.Join("carol")
	w.answers(alice, [][2]string{
		{"!add", "❌ say what to add, one link, for example !add"}, {"!add a b", "❌ say what to add"}, {"!add kittens", `❌ "kittens" is not a link`},
		{"!add https://example.org/page", "❌ https://example.org/page is on no site that CyTube knows"},
		{"!add https://www.youtube.com/playlist?list=PLabcdefghijkl", "❌ that is a whole playlist"},
		{"!add aaaaaaa0601", "alice: ❌ “aaaaaaa0601” does not stay on the playlist: it is 10:01 long, and the longest allowed is 10m"},
		{"!add aaaaaaa0000", "alice: ❌ “aaaaaaa0000” does not stay on the playlist: it is 1:00 long, and the shortest"},
		{"!add percent0100", "alice: ❌ “100%” does not stay on the playlist: that is not played here"},
		{"!add https://m.youtube.com/watch?v=xxxxxxx0200", "❌ that video is not played here"},
		{"!voteskip", "❌ nothing plays"}, {"!last 0", `❌ "0" is no number`}, {"!add https://twitch.tv/somebody", "alice: ❌ “"},
	}...)
	w.answers(carol, [2]string{"!add aaaaaaa0200", "❌ you may not add here"})
	w.answers(mod, [][2]string{
		{"!skip", "❌ nothing plays"}, {"!remove", "❌ say which"}, {"!remove nothing", "❌ “nothing” is not on"}, {"!move 3", "❌ say what to move"},
		{"!clear", "❌ the playlist is empty already"}, {"!lock maybe", "❌ write !lock on"}, {"!playlists load", "❌ say a name"}, {"!playlists burn x", "❌ write !playlists"},
		{"!playlists save x", "❌ there is nothing on the playlist"}, {"!undo everything", "❌ write !undo"}, {"!undo", "❌ nothing was changed within 1d"},
	}...)
	w.shows("")
}

// A bot that is killed while it adds adds once and says so once, whether the site did it or not.
func testKilledWhileAdding(t *testing.T, w world, done bool) {
	alice := w.Join("alice")
	w.KillAt("queue", done, func() { alice.Says("!add aaaaaaa0200") })
	w.Hears("^alice: ✅ added “aaaaaaa0200”")
	w.answers(alice, [2]string{"!whoqueued", "👤 “aaaaaaa0200”, added by alice"})
	w.shows("[aaaaaaa0200]")
	if said := w.BotLines(); len(said) != 2 {
		t.Errorf("the bot said %q", said)
	}
}

// The refusal of a limit says what to do; limits hold only for those below the exempt rank.
func testLimits(t *testing.T, w world) {
	w.set("max_items", "2", "take_turns", "on", "repeat_days", "7", "per_hour", "4")
	alice, bob, mod := w.Join("alice"), w.Join("bob"), w.Join("mod")
	w.answers(mod, [][2]string{{"!add mmmmmmm0100", "mod: ✅"}, {"!add nnnnnnn0100", "mod: ✅"}, {"!add ooooooo0100", "mod: ✅"}}...)
	w.answers(alice, [][2]string{{"!add aaaaaaa0100", "alice: ✅"}, {"!add bbbbbbb0100", "❌ the last item is yours"}}...)
	w.answers(bob, [2]string{"!add ccccccc0100", "bob: ✅"})
	w.answers(alice, [2]string{"!add bbbbbbb0100", "alice: ✅"})
	w.answers(bob, [2]string{"!add ccccccc0200", "bob: ✅"})
	w.answers(alice, [2]string{"!add ddddddd0100", "❌ you have 2 items on the playlist, which is the most"})
	w.answers(mod, [][2]string{{"!skip", "mod: ⏭️"}, {"!remove mmmmmmm0100", "mod: 🗑️"}, {"!remove aaaaaaa0100", "mod: 🗑️"}}...)
	w.answers(alice, [][2]string{{"!add mmmmmmm0100", "❌ “mmmmmmm0100” played here "}, {"!add eeeeeee0100", "alice: ✅"}}...)
	if items := w.Site.Playlist(w.Channel); len(items) != 6 {
		t.Errorf("%d items: %s", len(items), w.ids())
	}
}

// Settings say whom limits do not hold for, who adds next, what is temporary, and where
// moderators are answered.
func testSettings(t *testing.T, w world) {
	w.set("exempt_rank", "1", "next_rank", "1", "max_items", "1", "quiet", "on", "undo_within", "1m")
	mod, alice, guest := w.Join("mod"), w.Join("alice"), w.Join("visitor")
	w.answers(mod, [2]string{"!undo", "❌ nothing was changed within 1m that is not undone"})
	w.answers(alice, [][2]string{{"!add aaaaaaa0100", "alice: ✅"}, {"!add bbbbbbb0100", "alice: ✅"}, {"!add ccccccc0100 next", "alice: ✅ added “ccccccc0100” (1:40), it comes next"}}...)
	w.answers(guest, [][2]string{{"!add ddddddd0100", "visitor: ✅"}, {"!add eeeeeee0100", "❌ guests have together 1 item"}}...)
	for n, want := range []bool{false, false, false, true} {
		if i := w.Site.Playlist(w.Channel)[n]; i.Temp != want {
			t.Errorf("%s: temporary %t", i.ID, i.Temp)
		}
	}
	for _, step := range [][2]string{{"!skip", "^⏭️ skipped “aaaaaaa0100”$"}, {"!undo", "^✅ undoing the skip of “aaaaaaa0100”"}} {
		mod.Says(step[0])
		mod.Hears(step[1])
	}
	w.Set(w.Channel, Name, "temporary", "off")
	w.Set(w.Channel, Name, "exempt_rank", "2")
	w.answers(mod, [2]string{"!vs", "🗳️ 1 of 2 votes"})
	w.Set(w.Channel, Name, "max_items", "9")
	w.answers(alice, [2]string{"!add fffffff0100", "alice: ✅ added “fffffff0100” (1:40), number 4"})
	if i := w.Site.Playlist(w.Channel)[4]; i.Temp {
		t.Errorf("%+v", i)
	}
}

// A channel speaks its language; what users type is not expanded.
func testTexts(t *testing.T, w world) {
	w.set("text_added", "{{.title}} läuft ({{if .number}}als {{.number}}.{{else}}jetzt{{end}}, {{.place}})", "text_queue", "{{.count}} Videos", "text_shuffled", "", "text_votes", "{{.count}}/{{.need}}", "skip_share", "100")
	mod, _ := w.Join("mod"), w.Join("alice")
	w.answers(mod, [][2]string{{"!add aaaaaaa0200", "mod: aaaaaaa0200 läuft (jetzt, it plays now)"}, {"!add bbbbbbb0200", "mod: bbbbbbb0200 läuft (als 1., number 1)"}, {"!queue", "1 Videos"}}...)
	mod.Says("!shuffle")
	w.Await("cytube.media.shuffle", nil)
	w.answers(mod, [][2]string{{"!vs", "1/2"}, {"!remove {{.user}} %s", "❌ “{{.user}} %s” is not on the playlist"}}...)
}
