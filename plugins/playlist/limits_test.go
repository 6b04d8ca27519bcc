package playlist

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// someRecord is what four people have added, wished for and asked for at a time, in ms.
func someRecord(now int64) (*plugins.State, *record) {
	ago := func(d time.Duration) int64 { return now - d.Milliseconds() }
	s := &plugins.State{BotName: "Rosey", View: view.View{
		Playlist: []view.Item{{UID: 1, URL: "a", Type: "yt", Duration: 1800, QueuedBy: "Alice"}, {UID: 2, URL: "b", Type: "yt", Duration: 1800, QueuedBy: "Rosey"}, {UID: 3, URL: "c", Type: "yt", Duration: 60, QueuedBy: "visitor"}},
		Users:    []view.User{{Name: "visitor", Rank: 0}},
	}}
	return s, &record{
		Wishes:  []wish{{URL: "x", Type: "yt", User: "alice", At: ago(61 * time.Minute)}, {URL: "b", Type: "yt", User: "alice", At: ago(time.Minute)}},
		Asked:   []asked{{Kind: "add", User: "bob", At: ago(time.Minute)}, {Kind: "add", User: "bob", At: ago(time.Hour)}, {Kind: "add", User: "bob", At: ago(time.Minute), Done: true}},
		Waiting: []waiting{{Asked: asked{User: "carol", At: ago(2 * time.Hour)}}},
	}
}

// Each limit counts one person's items on the playlist, requested adds and pending wishes.
func TestLimitsOfAPerson(t *testing.T) {
	t.Parallel()
	const now = int64(10 * 3_600_000)
	s, r := someRecord(now)
	c := &plugins.Context{}
	defaults, err := plugins.DecodeSettings[Settings](nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what string
		set  Settings
		a    asked
		want string
	}{
		{"no limits", Settings{}, asked{User: "alice"}, ""},
		{"minutes", Settings{MaxMinutes: 60}, asked{User: "ALICE"}, "you have 60 minutes on the playlist"},
		{"minutes left", Settings{MaxMinutes: 61}, asked{User: "alice"}, ""},
		{"an hour", Settings{PerHour: 1}, asked{User: "alice"}, "you have added 1 item within the hour"},
		{"more an hour", Settings{PerHour: 2}, asked{User: "alice"}, ""},
		{"asked for", Settings{MaxItems: 1}, asked{User: "bob"}, "you have 1 item"},
		{"asked for within the hour", Settings{PerHour: 1}, asked{User: "bob"}, "you have added 1 item"},
		{"waits", Settings{MaxItems: 1}, asked{User: "carol"}, "you have 1 item"},
		{"waits for long", Settings{PerHour: 1}, asked{User: "carol"}, ""},
		{"the last waits", Settings{TakeTurns: true}, asked{User: "carol"}, "the last item is yours"},
		{"not the last", Settings{TakeTurns: true}, asked{User: "alice"}, ""},
		{"guests together", Settings{MaxItems: 1, Guests: true}, asked{User: "other", Guest: true}, "guests have together 1 item"},
		{"each guest", Settings{MaxItems: 1}, asked{User: "other", Guest: true}, ""},
		{"exempt", Settings{MaxItems: 1, MaxMinutes: 1}, asked{User: "alice", Exempt: true}, ""},
	} {
		test.a.At = now
		got := ""
		test.set.Texts = defaults.Texts
		if err := limits(c, test.set, s, r, test.a); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, test.want) || got != "" && test.want == "" {
			t.Errorf("%s: %q, want %q", test.what, got, test.want)
		}
	}
	for what, test := range map[string]struct {
		set      Settings
		duration int
		want     string
	}{
		"minutes with it": {Settings{MaxMinutes: 59}, 60, "with it you would have 60 minutes on the playlist, and the most is 59 minutes"},
		"live":            {Settings{MaxMinutes: 90}, 0, "it is live"},
		"fit":             {Settings{MaxMinutes: 60}, 60, ""},
	} {
		test.set.Texts = defaults.Texts
		if got := unfit(c, test.set, s, r, asked{User: "alice", At: now}, view.Item{URL: "b", Duration: test.duration}); !strings.HasPrefix(got, test.want) || got != "" && test.want == "" {
			t.Errorf("%s: %q, want %q", what, got, test.want)
		}
	}
}

// What is under way keeps other work from beginning, and can be stopped.
func TestStop(t *testing.T) {
	t.Parallel()
	c := plugintest.Run(t, New()) // nobody answers what is asked of the channel
	loadSaved(t, c)
	for _, step := range [][2]string{
		{"!undo", "❌ adding it is under way, 0 of 2: wait, or write !undo stop"}, {"!undo stop", "✋ stopped adding it at 0 of 2"}, {"!undo stop", "❌ nothing is under way"},
	} {
		if got := c.SayAs("mod", 2, step[0]); got != step[1] {
			t.Errorf("%s: %q, want %q", step[0], got, step[1])
		}
	}
}

// loadSaved has a moderator load a saved playlist of two items.
func loadSaved(t *testing.T, c *plugintest.Channel) {
	t.Helper()
	saved := list{Channel: plugintest.ChannelName, Name: "it", Items: []saved{{URL: watch + "aaaaaaa0100", Type: "yt", ID: "aaaaaaa0100"}, {URL: watch + "bbbbbbb0100", Type: "yt", ID: "bbbbbbb0100"}}}
	if _, err := c.Request(event.SubjectSet, map[string]any{"collection": Lists, "id": listID(plugintest.ChannelName, "it"), "data": saved}); err != nil {
		t.Fatal(err)
	}
	c.Type("mod", 2, "!playlists load it")
	c.Emitted(event.SubjectSendMediaQueue)
}

// Of a playlist with more than can be saved nothing is, and it is counted.
func TestPlaylistThatIsTooLong(t *testing.T) {
	t.Parallel()
	c := plugintest.Run(t, New())
	var items []view.Item
	for n := range 5000 {
		items = append(items, view.Item{UID: n + 1, Title: "T", URL: channel.MediaURL("yt", fmt.Sprintf("%011d", n)), Type: "yt", Duration: 60, QueuedBy: "alice"})
	}
	value, err := json.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	c.Publish(event.SubjectState, event.State{Part: view.PartPlaylist, Value: value, Page: 1, Pages: 1, Hash: "of all", Channel: plugintest.ChannelName})
	const want = "❌ the playlist has 5000 items, and at most 500 are saved: nothing was saved"
	if got := c.SayAs("mod", 2, "!playlists save all"); got != want {
		t.Errorf("it said %q, want %q", got, want)
	}
}

// All take turns, what plays among it, whoever adds how much at once.
func testFairTurns(t *testing.T, w world) {
	w.set("fair_turns", "on")
	alice, bob, mod := w.Join("alice"), w.Join("bob"), w.Join("mod")
	w.answers(alice, [][2]string{{"!add aaaaaaa0100", "alice: ✅ added “aaaaaaa0100” (1:40), it plays now"}, {"!add bbbbbbb0100", "alice: ✅"}, {"!add ccccccc0100", "alice: ✅"}}...)
	w.answers(bob, [][2]string{{"!add ddddddd0100", "bob: ✅ added “ddddddd0100” (1:40), number 1"}, {"!add eeeeeee0100", "bob: ✅ added “eeeeeee0100” (1:40), number 3"}}...)
	w.shows("[aaaaaaa0100] ddddddd0100 bbbbbbb0100 eeeeeee0100 ccccccc0100")
	w.answers(mod, [][2]string{{"!add fffffff0100 next", "mod: ✅ added “fffffff0100” (1:40), it comes next"}, {"!add ggggggg0100", "mod: ✅ added “ggggggg0100” (1:40), number 5"}}...)
	w.shows("[aaaaaaa0100] fffffff0100 ddddddd0100 bbbbbbb0100 eeeeeee0100 ggggggg0100 ccccccc0100")
}
