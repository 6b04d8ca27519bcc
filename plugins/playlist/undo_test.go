package playlist

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Each change can be undone, whoever made it, the last first; what others did since stays.
func testUndo(t *testing.T, w world) {
	mod, owner := w.Join("mod"), w.Join("owner")
	w.fill("alice", "aaaaaaa0200", "bbbbbbb0200", "ccccccc0200", "ddddddd0200")
	list := w.Site.Playlist(w.Channel)
	w.answers(mod, [][2]string{{"!remove bbbbbbb", "mod: 🗑️"}, {"!undo", "mod: ✅ undoing the removal of 1 item of "}}...)
	w.shows("[aaaaaaa0200] bbbbbbb0200 ccccccc0200 ddddddd0200")
	w.answers(mod, [2]string{"!whoqueued bbbbbbb", "👤 “bbbbbbb0200”, added by alice"})

	owner.Does("moveMedia", map[string]any{"from": list[3].UID, "after": list[0].UID})
	w.shows("[aaaaaaa0200] ddddddd0200 bbbbbbb0200 ccccccc0200")
	w.Until("the move", func() bool { return len(w.Stored("cytube.media.move")) == 2 })
	w.answers(mod, [][2]string{{"!undo", "mod: ✅ undoing a move of "}, {"!lock", "mod: 🔒"}, {"!undo", "mod: ↩️ undone: the locking"}}...)
	w.shows("[aaaaaaa0200] bbbbbbb0200 ccccccc0200 ddddddd0200")

	w.answers(mod, [][2]string{{"!add eeeeeee0100", "mod: ✅"}, {"!undo", "mod: ✅ undoing the adding of 1 item"}}...)
	w.shows("[aaaaaaa0200] bbbbbbb0200 ccccccc0200 ddddddd0200")
	w.answers(mod, [2]string{"!undo", "mod: ✅ undoing the adding of 4 items"})
	w.shows("")
	w.answers(mod, [2]string{"!undo", "❌ nothing was changed"})
}

// A skip is undone: what played plays again, in its place, and what is temporary leaves the
// playlist as if nothing had been.
func testUndoSkip(t *testing.T, w world) {
	mod, alice := w.Join("mod"), w.Join("alice")
	w.answers(alice, [][2]string{{"!add aaaaaaa0200", "alice: ✅"}, {"!add bbbbbbb0200", "alice: ✅"}}...)
	w.fill("alice", "ccccccc0200", "ddddddd0200")
	w.answers(mod, [2]string{"!skip", "mod: ⏭️"})
	w.shows("[bbbbbbb0200] ccccccc0200 ddddddd0200")
	w.answers(mod, [2]string{"!undo", "mod: ✅ undoing the skip of “aaaaaaa0200” of "})
	if last := w.BotLines()[len(w.BotLines())-1]; !strings.HasSuffix(last, " ago, from its beginning") {
		t.Error(last)
	}
	w.shows("[aaaaaaa0200] bbbbbbb0200 ccccccc0200 ddddddd0200")
	for n, want := range []bool{true, true, false, false} {
		if i := w.Site.Playlist(w.Channel)[n]; i.Temp != want {
			t.Errorf("%s: temporary %t", i.ID, i.Temp)
		}
	}
	w.Site.PlayNext(w.Channel)
	w.Site.PlayNext(w.Channel)
	w.Until("the third to play", func() bool { return len(w.Stored("cytube.media.change")) == 5 })
	w.answers(mod, [][2]string{{"!skip", "mod: ⏭️"}, {"!lock", "mod: 🔒"}, {"!undo skip", "mod: ✅ undoing the skip of “ccccccc0200” of "}}...)
	w.shows("[ccccccc0200] ddddddd0200")
}

// A shuffle is undone, after which what was added before it still can be.
func testUndoShuffle(t *testing.T, w world) {
	mod := w.Join("mod")
	var ids []string
	for n := range 12 {
		ids = append(ids, fmt.Sprintf("video%02d0100", n))
	}
	w.fill("alice", ids...)
	w.answers(mod, [][2]string{{"!add eeeeeee0100", "mod: ✅"}, {"!shuffle", "mod: 🔀"}, {"!undo", "mod: ✅ undoing a shuffle"}}...)
	w.shows("[" + ids[0] + "] " + strings.Join(ids[1:], " ") + " eeeeeee0100")
	w.answers(mod, [2]string{"!undo", "mod: ✅ undoing the adding of 1 item"})
	w.shows("[" + ids[0] + "] " + strings.Join(ids[1:], " "))
}

// A purge is undone in order, with who added what, also when the bot is killed in the middle of it, or the
// site has lost one of the videos; what was added since stays, and limits do not hold.
func testUndoPurge(t *testing.T, w world) {
	w.set("max_items", "3", "progress", "10")
	mod, owner, alice := w.Join("mod"), w.Join("owner"), w.Join("alice")
	var ids []string
	for n := range 24 {
		ids = append(ids, fmt.Sprintf("video%02d0100", n))
	}
	w.fill("carol", ids...)
	owner.Does("clearPlaylist")
	w.Await("cytube.media.clear", nil)
	w.answers(alice, [2]string{"!add zzzzzzz0200", "alice: ✅"})
	w.KillAt("queue", true, func() { mod.Says("!undo clear") })
	w.Hears("^mod: ✅ undoing the clearing of 24 items of .*: 24 items$")
	ids = append(ids, "[zzzzzzz0200]")
	w.shows(strings.Join(ids, " "))
	w.answers(mod, [2]string{"!whoqueued video13", "👤 “video130100”, added by carol"})
	for _, want := range []string{"⏳ undoing the clearing of 24 items", ": 10 of 24", ": 20 of 24"} {
		if n := strings.Count(strings.Join(w.BotLines(), "\n"), want); n == 0 {
			t.Errorf("%q was not said, but %q", want, w.BotLines())
		}
	}
}

// A purge of single removals, as the site's own command makes it, is one change; what the
// site does not take again is said, and the others come back.
func testUndoWhatIsGone(t *testing.T, w world) {
	streamstest.Slow(t, "waits for the server's limit")
	mod, owner := w.Join("mod"), w.Join("owner")
	w.fill("alice", "aaaaaaa0200", "bbbbbbb0200")
	for _, id := range []string{"gonevid0100", "ccccccc0200"} {
		m, _ := lookup("yt", strings.Replace(id, "gone", "went", 1))
		m.ID = id
		if _, err := w.Site.AddMedia(w.Channel, "alice", m); err != nil {
			t.Fatal(err)
		}
	}
	w.fill("bob", "ddddddd0200")
	owner.Does("chatMsg", map[string]any{"msg": "/clean alice", "meta": map[string]any{}})
	w.shows("[ddddddd0200]")
	w.Until("the removals", func() bool { return len(w.Stored("cytube.media.delete")) == 4 })
	w.answers(mod, [2]string{"!undo", "mod: ✅ undoing the removal of 4 items of "})
	said := w.BotLines()
	if last := said[len(said)-1]; !strings.HasSuffix(last, ": 3 of 4 items, 1 not: Video does not exist or is private") {
		t.Error(last)
	}
	w.shows("aaaaaaa0200 bbbbbbb0200 ccccccc0200 [ddddddd0200]")
}

// What is saved is added again at the server's pace, and a restart goes on with it.
func testLoadAfterKill(t *testing.T, w world) {
	mod := w.Join("mod")
	w.fill("alice", "aaaaaaa0200", "bbbbbbb0200", "ccccccc0200")
	w.answers(mod, [][2]string{{"!playlists save it", "📼 saved 3 items"}, {"!clear", "mod: 🧹"}}...)
	w.KillAt("queue", false, func() { mod.Says("!playlists load it") })
	w.Hears("^mod: ✅ adding it: 3 items$")
	w.shows("[aaaaaaa0200] bbbbbbb0200 ccccccc0200")
}
