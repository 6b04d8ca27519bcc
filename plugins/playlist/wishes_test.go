package playlist

import (
	"testing"
)

const watch = "https://youtube.com/watch?v="

// While the playlist is locked wishes wait: moderators see, accept and refuse them, who wished
// takes one back, and what is left is added when the playlist is opened.
func testWishes(t *testing.T, w world) {
	w.set("max_items", "2")
	mod, alice, bob := w.Join("mod"), w.Join("alice"), w.Join("bob")
	w.answers(mod, [][2]string{{"!wishes", "📥 Nobody waits"}, {"!lock on", "mod: 🔒"}}...)
	w.answers(alice, [][2]string{
		{"!add aaaaaaa0100", "alice: 📥 the playlist is locked: your wish waits for a moderator, as number 1"},
		{"!add aaaaaaa0100", "❌ alice wished for that already: it waits as number 1"},
		{"!add eeeeeee0100", "alice: 📥"}, {"!add fffffff0100", "❌ you have 2 items on the playlist, which is the most"},
		{"!wrong", "🗑️ your wish for " + watch + "eeeeeee0100 is taken back"}, {"!wishes", "⛔ "},
	}...)
	w.answers(bob, [][2]string{{"!add bbbbbbb0100", "bob: 📥"}, {"!add ccccccc0100", "bob: 📥"}}...)
	w.answers(mod, [][2]string{
		{"!wishes", "📥 3 wishes: #1 alice: " + watch + "aaaaaaa0100, #3 bob: " + watch + "bbbbbbb0100, #4 bob"},
		{"!wishes accept 9", "❌ no such wish waits"}, {"!wishes accept", "❌ write !wishes, "}, {"!wishes burn all", "❌ write !wishes"},
		{"!wishes refuse #3 too loud", "bob: 📥 " + watch + "bbbbbbb0100 is not taken: too loud"},
		{"!wishes accept 1", "alice: ✅ added “aaaaaaa0100” (1:40), it plays now"}, {"!whoqueued", "👤 “aaaaaaa0100”, added by alice"},
		{"!wishes", "📥 1 wish: #4"},
	}...)
	mod.Says("!lock off")
	w.Hears(`^bob: ✅ added “ccccccc0100” \(1:40\), number 1$`)
	w.shows("[aaaaaaa0100] ccccccc0100")
	for _, c := range [][2]string{{"refuse", "❌ the playlist is locked: only moderators add now"}, {"add", "alice: ✅ added “hhhhhhh0100”"}} {
		w.Set(w.Channel, Name, "when_locked", c[0])
		w.answers(mod, [2]string{"!lock on", "mod: 🔒"})
		w.answers(alice, [2]string{"!add hhhhhhh0100", c[1]})
	}
}

// Wishes are added once and in order where the bot is killed while it adds them.
func testKilledWhileWishesAreAdded(t *testing.T, w world) {
	owner, alice := w.Join("owner"), w.Join("alice")
	w.answers(owner, [2]string{"!lock on", "owner: 🔒"})
	w.answers(alice, [][2]string{{"!add aaaaaaa0100", "alice: 📥"}, {"!add gonevid0100", "alice: 📥"}, {"!add bbbbbbb0100", "alice: 📥"}}...)
	w.KillAt("queue", true, func() { owner.Does("togglePlaylistLock") })
	w.Hears("^alice: ✅ added “bbbbbbb0100”")
	w.shows("[aaaaaaa0100] bbbbbbb0100")
	if said := w.BotLines()[4:]; len(said) != 3 || said[1] != "alice: ❌ could not add it: Video does not exist or is private" {
		t.Errorf("the bot said %q", said)
	}
}

// A bot that may not do something says what it lacks, and undoes no other change instead.
func testBotWithoutRank(_ *testing.T, w world) {
	owner, mod, alice := w.Join("owner"), w.Join("mod"), w.Join("alice")
	w.fill("alice", "aaaaaaa0200", "bbbbbbb0200")
	w.answers(mod, [][2]string{
		{"!skip", "mod: ❌ could not skip: the bot has rank 1, and playlistjump needs 1.5"}, {"!lock", "mod: ❌ could not lock the playlist: the bot has rank 1"},
	}...)
	owner.Does("delete", w.Site.Playlist(w.Channel)[1].UID)
	owner.Does("togglePlaylistLock")
	w.Await("cytube.media.lock", nil)
	w.answers(mod, [2]string{"!undo remove", "❌ undoing the removal of 1 item of "})
	w.answers(alice, [2]string{"!add ccccccc0200", "alice: 📥"})
	w.answers(mod, [2]string{"!wishes accept all", "alice: ❌ could not add it: the bot has rank 1"})
}
