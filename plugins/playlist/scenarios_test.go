package playlist

import (
	"strings"
	"testing"
)

// S01: a video is the same whatever link it comes by: added, on the playlist, banned, played.
func testS01LinksOfOneVideo(t *testing.T, w world) {
	mod := w.Join("mod")
	w.answers(mod, [2]string{"!add https://youtu.be/aaaaaaa0200?si=abc&t=90", "mod: ✅ added “aaaaaaa0200”"})
	forms := []string{
		"https://www.youtube.com/shorts/aaaaaaa0200", "https://youtube.com/live/aaaaaaa0200?feature=share", "https://www.youtube.com/watch?list=PLabcdefghijkl&v=aaaaaaa0200",
		"http://m.youtube.com/watch?v=aaaaaaa0200&t=90", "https://music.youtube.com/watch?v=aaaaaaa0200", "youtu.be/aaaaaaa0200", "aaaaaaa0200", "yt:aaaaaaa0200",
	}
	for _, form := range forms {
		w.answers(mod, [2]string{"!add " + form, "❌ “aaaaaaa0200” plays now"})
	}
	w.Set(w.Channel, Name, "banned", "https://www.youtube.com/shorts/bbbbbbb0200, https://www.dailymotion.com/video/x8abcde_a-slug")
	for _, form := range []string{"https://youtu.be/bbbbbbb0200?t=1", "bbbbbbb0200", "https://dai.ly/x8abcde", "https://www.dailymotion.com/video/x8abcde_another-slug"} {
		w.answers(mod, [2]string{"!add " + form, "❌ that video is not played here"})
	}
	w.shows("[aaaaaaa0200]")
}

// S02: a limit counts what is on the playlist now; all guests are one person.
func testS02LimitsCountWhatIsThere(t *testing.T, w world) {
	w.set("max_items", "2")
	mod, alice, guest, other := w.Join("mod"), w.Join("alice"), w.Join("visitor"), w.Join("visitor2")
	w.answers(mod, [2]string{"!add mmmmmmm0200", "mod: ✅"})
	w.answers(alice, [][2]string{{"!add aaaaaaa0100", "alice: ✅"}, {"!add bbbbbbb0100", "alice: ✅"}, {"!add ccccccc0100", "❌ you have 2 items"}}...)
	w.answers(mod, [2]string{"!remove aaaaaaa", "mod: 🗑️"})
	w.answers(alice, [2]string{"!add ccccccc0100", "alice: ✅"})
	w.answers(guest, [][2]string{{"!add ddddddd0100", "visitor: ✅"}, {"!add eeeeeee0100", "visitor: ✅"}}...)
	w.answers(other, [2]string{"!add fffffff0100", "❌ guests have together 2 items"})
	w.answers(mod, [][2]string{{"!remove bbbbbbb", "mod: 🗑️"}, {"!remove ccccccc", "mod: 🗑️"}, {"!undo", "mod: ✅"}, {"!whoqueued ccccccc", "👤 “ccccccc0100”, added by alice"}}...)
}

// S03: votes go with the voter and with the film; the bot counts nowhere; nobody is named.
func testS03Votes(t *testing.T, w world) {
	w.set("skip_share", "60")
	alice, bob, carol, mod := w.Join("alice"), w.Join("bob"), w.Join("carol"), w.Join("mod")
	w.fill("alice", "aaaaaaa0200", "bbbbbbb0200", "ccccccc0200")
	w.answers(alice, [][2]string{{"!voteskip", "🗳️ 1 of 3 votes"}, {"!voteskip", "🗳️ 1 of 3 votes"}}...)
	w.answers(bob, [2]string{"!voteskip", "🗳️ 2 of 3 votes"})
	bob.Close()
	w.Until("bob to leave", func() bool { return len(w.Stored("cytube.user.leave")) == 1 })
	w.answers(carol, [2]string{"!voteskip", "carol: ⏭️ “aaaaaaa0200” is skipped, by votes"})
	w.shows("aaaaaaa0200 [bbbbbbb0200] ccccccc0200")
	w.answers(alice, [2]string{"!voteskip", "🗳️ 1 of 2 votes"})
	w.Site.PlayNext(w.Channel)
	w.Until("the next film", func() bool { return len(w.Stored("cytube.media.change")) == 3 })
	w.answers(carol, [2]string{"!voteskip", "🗳️ 1 of 2 votes"})
	carol.Does("chatMsg", map[string]any{"msg": "/afk", "meta": map[string]any{}})
	w.Await("cytube.user.afk", nil)
	w.answers(mod, [2]string{"!voteskip", "🗳️ 1 of 2 votes"})
	w.answers(alice, [2]string{"!voteskip", "alice: ⏭️ “ccccccc0200” is skipped"})
}

// S04: the site takes an add and refuses it later: the asker hears the reason, nobody was told
// that it was added, and no limit counts it.
func testS04RefusedLater(t *testing.T, w world) {
	w.set("per_hour", "1", "max_items", "1")
	alice := w.Join("alice")
	w.answers(alice, [][2]string{
		{"!add gonevid0100", "alice: ❌ could not add it: Video does not exist or is private"}, {"!add gonevid0200", "alice: ❌ could not add it"}, {"!add aaaaaaa0200", "alice: ✅ added"},
	}...)
	for _, line := range w.BotLines()[:2] {
		if strings.Contains(line, "added “") {
			t.Error(line)
		}
	}
	w.shows("[aaaaaaa0200]")
}

// S05: what is asked for next plays in the order asked.
func testS05NextInOrder(t *testing.T, w world) {
	mod, admin, owner := w.Join("mod"), w.Join("admin"), w.Join("owner")
	w.fill("alice", "aaaaaaa0200", "zzzzzzz0200")
	mod.Says("!add bbbbbbb0100 next")
	admin.Says("!add ccccccc0100 next")
	owner.Says("!add ddddddd0100 next")
	w.shows("[aaaaaaa0200] bbbbbbb0100 ccccccc0100 ddddddd0100 zzzzzzz0200")
	w.answers(mod, [2]string{"!skip", ""})
	w.Until("the answers", func() bool { return len(w.BotLines()) == 4 })
	w.shows("aaaaaaa0200 [bbbbbbb0100] ccccccc0100 ddddddd0100 zzzzzzz0200")
}

// S06: a title is found as text, whatever is in it; of several it asks which.
func testS06Titles(t *testing.T, w world) {
	mod := w.Join("mod")
	w.answers(mod, [2]string{"!whoqueued !!!", "❌ “!!!” is not on the playlist"})
	w.fill("alice", "chudchu1984", "exclama0200", "percent0100", "quoteda0060", "remake_0060")
	w.answers(mod, [][2]string{
		{"!whoqueued !!!", "👤 “!!!”, added by alice"}, {"!whoqueued 100%", "👤 “100%”"}, {`!whoqueued "heroes" and &amp; friends`, `👤 “"Heroes" AND & friends”`},
		{"!whoqueued AND &", "👤 “\"Heroes\""}, {"!remove c.h.u.d", "❌ which of 2: #0 “C.H.U.D. (1984)”, #4 “C.H.U.D. (1984) remake”? Say its number"},
		{"!remove C.H.U.D. (1984)", "mod: 🗑️ removed “C.H.U.D. (1984)”"}, {"!remove #3", "mod: 🗑️ removed “C.H.U.D. (1984) remake”"},
		{"!remove .*", "❌ “.*” is not on the playlist"}, {`!remove \`, `❌ “\” is not on`},
	}...)
	w.shows("[exclama0200] percent0100 quoteda0060")
}
