package playlist

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// Each text is said as it is set, with all that it may use.
func testTextsAreSaid(t *testing.T, w world) {
	w.set("progress", "1", "max_length", "10m", "banned", "https://youtu.be/xxxxxxx0200", "skip_share", "100")
	texts := plugintest.Texts(New())
	w.SetTexts(w.Channel, Name, texts)
	mod, alice := w.Join("mod"), w.Join("alice")
	says := func(steps ...[3]string) {
		t.Helper()
		for _, step := range steps {
			map[string]*bottest.User{"mod": mod, "alice": alice}[step[0]].Says(step[1])
			mod.Hears(`\[` + step[2] + ":")
		}
	}
	says([][3]string{
		{"mod", "!np", "text_playing"}, {"mod", "!next", "text_next"}, {"mod", "!queue", "text_queue"}, {"mod", "!whoqueued", "text_nothing_plays"},
		{"mod", "!last", "text_last"}, {"mod", "!last 0", "text_bad_number"}, {"mod", "!clear", "text_empty"}, {"mod", "!wishes", "text_waiting"},
		{"mod", "!wishes accept 9", "text_no_wish"}, {"mod", "!playlists", "text_lists"}, {"mod", "!playlists save x", "text_not_saved"},
		{"mod", "!playlists load x", "text_no_list"}, {"mod", "!playlists load", "text_list_name"}, {"mod", "!playlists burn x", "text_usage"},
		{"mod", "!undo", "text_unchanged"}, {"mod", "!undo stop", "text_idle"}, {"mod", "!wrong", "text_nothing_yours"}, {"mod", "!remove zzz", "text_not_found"},
		{"mod", "!add https://www.youtube.com/playlist?list=PLabcdefghijkl", "text_whole_list"}, {"alice", "!add aaaaaaa0200 next", "text_not_next"},
		{"alice", "!add gonegon0200", "text_not_done"}, {"alice", "!add xxxxxxx0200", "text_banned"}, {"alice", "!add aaaaaaa0601", "text_not_stays"},
		{"mod", "!add aaaaaaa0200 temp", "text_added"}, {"mod", "!add bbbbbbb0100", "text_added"}, {"mod", "!add bbbbbbb0100", "text_there"}, {"mod", "!add ccccccc0100", "text_added"},
		{"mod", "!move bbbbbbb nowhere", "text_bad_place"}, {"mod", "!move bbbbbbb last", "text_moved"}, {"mod", "!remove 0100", "text_which"},
		{"mod", "!whoqueued", "text_who"}, {"alice", "!vs", "text_votes"}, {"mod", "!vs", "text_voted"}, {"mod", "!last", "text_last_item"}, {"mod", "!skip", "text_skipped"},
		{"mod", "!shuffle", "text_shuffled"},
	}...)
	for _, set := range [][2]string{{"repeat_days", "7"}, {"max_items", "1"}} {
		w.Set(w.Channel, Name, set[0], set[1])
	}
	says([][3]string{
		{"alice", "!add aaaaaaa0200", "text_repeat"}, {"alice", "!add ddddddd0100", "text_added"}, {"alice", "!add eeeeeee0100", "text_limit"}, {"mod", "!remove ddddddd", "text_removed"},
		{"mod", "!lock on", "text_locked"}, {"alice", "!add fffffff0100", "text_wished"}, {"alice", "!add fffffff0100", "text_limit"}, {"mod", "!wishes", "text_waiting_item"},
		{"mod", "!wishes refuse 1 no", "text_refused"}, {"alice", "!add fffffff0100", "text_wished"},
	}...)
	w.Set(w.Channel, Name, "max_items", "9")
	says([3]string{"alice", "!add fffffff0100", "text_wished_already"}, [3]string{"alice", "!wrong", "text_withdrawn"})
	w.Set(w.Channel, Name, "when_locked", "refuse")
	var ids []string
	for n := range 11 {
		ids = append(ids, fmt.Sprintf("item%03d0100", n))
	}
	w.fill("mod", ids...)
	says([][3]string{
		{"alice", "!add fffffff0100", "text_closed"}, {"mod", "!undo lock", "text_undone"}, {"mod", "!lock on", "text_locked"}, {"mod", "!lock off", "text_unlocked"},
		{"mod", "!playlists save x", "text_saved"}, {"mod", "!playlists", "text_list"}, {"mod", "!playlists load x", "text_all_there"},
		{"mod", "!clear", "text_cleared"}, {"mod", "!undo", "text_begun"}, {"mod", "!np", "text_finished"}, {"mod", "!remove item000", "text_removed"},
		{"mod", "!playlists load x", "text_loading"}, {"mod", "!playlists rm x", "text_unsaved"},
	}...)
	// The others are said where the channel does something else meanwhile.
	rare := []string{"text_skipping", "text_only_here", "text_no_reason", "text_added_gone", "text_not_begun"}
	lines := slices.Concat(w.BotLines(), underWay(t, texts))
	if unsaid := plugintest.Unsaid(texts, lines, rare...); len(unsaid) > 0 {
		t.Errorf("not said: %v of %q", unsaid, lines)
	}
}

// underWay returns what is said of a work that does not end.
func underWay(t *testing.T, texts map[string]string) []string {
	t.Helper()
	c := plugintest.Run(t, New()) // nobody answers what is asked of the channel
	for _, key := range []string{"text_busy", "text_stopped"} {
		c.Set(Name, key, texts[key])
	}
	loadSaved(t, c)
	return []string{c.SayAs("mod", 2, "!undo"), c.SayAs("mod", 2, "!undo stop")}
}
