package autoplay_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/autoplay"
)

// The playlist is filled when it runs short, from what a programme names, without repeats.
func TestFiller(t *testing.T) {
	w := start(t)
	w.answers("!filler", "Filler is off: an admin turns it on with !set autoplay.filler true")
	w.answers("!programme add weekend "+links(1, 3), "🎬 weekend (3 items)")
	w.set("filler_from", "weekend")
	w.set("filler", "true")
	w.Until("something to play, and something after it", func() bool { return len(w.playlist()) == 2 })
	first := w.playlist()
	w.Site.PlayNext(w.Channel)
	w.Until("a third", func() bool { l := w.playlist(); return len(l) == 2 && l[0] == first[1] && l[1] != first[0] })
	w.answers("!filler", "Filler is on, from weekend: 3 entries")
	for _, i := range w.Site.Playlist(w.Channel) {
		if i.By != bottest.BotName || !i.Temp {
			t.Errorf("%+v", i)
		}
	}
	w.set("temporary", "false")
	w.set("filler_below", "2")
	w.Until("another after it", func() bool { return len(w.playlist()) == 3 })
	if i := w.Site.Playlist(w.Channel)[2]; i.Temp {
		t.Errorf("%+v", i)
	}
}

// S07: While the hosts are down no entry is lost, and tries become fewer; what is gone for good
// is set aside with its reason, and can be brought back.
func TestHostsDown(t *testing.T) {
	w := start(t)
	w.hosts.fails("*", "YouTube API is unavailable.  Please try again later.")
	w.hosts.fails(id(1), "Video does not exist or is private")
	w.answers("!programme add weekend "+links(1, 2), "🎬 weekend (2 items)")
	w.set("filler_from", "weekend")
	w.set("filler", "true")
	w.Await(event.EventSubject(autoplay.Name, "setaside"), nil)
	w.Until("a try at the other", func() bool { return w.hosts.times(id(2)) > 0 })
	w.answers("!filler aside", "Set aside: 1. https://youtube.com/watch?v="+id(1)+": Video does not exist or is private")
	w.hosts.fails("*", "")
	w.hosts.fails(id(1), "")
	w.answers("!filler back 2", "❌ nothing that is set aside has the number 2")
	w.answers("!filler back all", "Brought back 1 entry")
	w.becomes(1)
}

// S08: Where every candidate is unplayable that is said once, nothing is tried all the time, and
// the chat stays usable.
func TestNothingPlayable(t *testing.T) {
	w := start(t)
	w.hosts.fails("*", "The uploader has made this video non-embeddable")
	w.answers("!programme add weekend "+links(1, 2), "🎬 weekend (2 items)")
	w.set("filler_from", "weekend")
	w.set("filler", "true")
	w.Hears("^❌ No filler for now: of 2 entries 2 set aside$")
	for range 3 { // what happens in the channel brings no further tries
		_, err := w.Site.AddMedia(w.Channel, "mod", cytubetest.Media{ID: "other", Type: "yt", Title: "other", Seconds: 100})
		if err == nil {
			w.Site.PlayNext(w.Channel)
		}
	}
	w.answers("!calendar", "📅 Nothing is scheduled")
	if n := w.hosts.times(id(1)) + w.hosts.times(id(2)); n != 2 {
		t.Errorf("%d lookups", n)
	}
	said := 0
	for _, l := range w.BotLines() {
		if strings.Contains(l, "No filler") {
			said++
		}
	}
	if said != 1 {
		t.Errorf("it said %q", w.BotLines())
	}
}

// S08: Where only repeats are left they are played, as the setting says, and else nothing is.
func TestRepeats(t *testing.T) {
	w := start(t)
	w.answers("!programme add weekend "+links(1, 1), "🎬 weekend (1 item)")
	w.set("filler_from", "weekend")
	w.set("filler", "true")
	w.becomes(1)
	w.Site.PlayNext(w.Channel) // it leaves the playlist
	w.Until("the film to be played again", func() bool { return w.hosts.times(id(1)) == 2 && len(w.playlist()) == 1 })
	w.set("filler_stuck", "wait")
	w.Site.PlayNext(w.Channel)
	w.Hears("^❌ No filler for now: of 1 entry 1 played lately$")
	if n := w.hosts.times(id(1)); n != 2 {
		t.Errorf("%d lookups", n)
	}
}

// S10: Nothing slips into a programme while it loads; what fails for a while is tried again in
// its place, what is gone is left out and said, and what came meanwhile follows.
func TestProgrammeLoads(t *testing.T) {
	w := start(t)
	w.set("tries", "2")
	w.set("ready", "{{.items}} of {{.what}}")
	w.hosts.errors[id(2)] = []string{"The request timed out"}
	w.hosts.errors[id(5)] = []string{"The request timed out", "The request timed out again"}
	w.hosts.fails(id(4), "Video does not exist or is private")
	for _, other := range []string{"8", "9"} {
		_, err := w.Site.AddMedia(w.Channel, "alice", cytubetest.Media{ID: "film000000" + other, Type: "yt", Title: other, Seconds: 1000})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.answers("!programme add Metropolis "+links(1, 5), "🎬 Metropolis (5 items)")
	w.answers("!programme start metropolis", "🎬 Loading Metropolis: 5 items")
	w.Until("the first item", func() bool { return w.hosts.times(id(2)) > 0 })
	w.mod.Does("queue", map[string]any{"id": "film0000007", "type": "yt", "pos": "next", "temp": false})
	w.Hears("^❌ Metropolis: https://youtube.com/watch\\?v=" + id(4) + " is left out: Video does not exist or is private$")
	w.Hears("^❌ Metropolis: https://youtube.com/watch\\?v=" + id(5) + " is left out: The request timed out again$")
	w.Hears("^3 of Metropolis$")
	w.becomes(8, 1, 2, 3, 7, 9)
	if now := w.Site.Playlist(w.Channel); now[1].Media.ID != id(1) {
		t.Errorf("%+v", now)
	}
}

// What is on the playlist already takes its place in a programme.
func testProgrammeOfWhatIsThere(t *testing.T, w *world) {
	w.answers("!programme add Metropolis "+links(1, 3), "🎬 Metropolis (3 items)")
	for _, n := range []string{"9", "2", "8"} {
		if _, err := w.Site.AddMedia(w.Channel, "alice", cytubetest.Media{ID: "film000000" + n, Type: "yt", Title: n, Seconds: 1000}); err != nil {
			t.Fatal(err)
		}
	}
	w.set("start", "next")
	w.answers("!programme start metropolis", "🎬 Loading Metropolis: 3 items")
	w.loaded(1)
	w.becomes(9, 1, 2, 3, 8)
}

// S11: A series goes on with the right episode: played is what played for the most part, not
// what was queued, skipped or removed.
func testSeries(t *testing.T, w *world) {
	w.answers("!programme add dark "+links(1, 3), "🎬 dark (3 items)")
	w.answers("!programme series dark on", "🎬 dark (series, 0 of 3 episodes played)")
	w.answers("!programme start dark", "🎬 Loading dark: 1 item")
	w.loaded(1)
	w.becomes(1)
	if _, err := w.Site.AddMedia(w.Channel, "alice", cytubetest.Media{ID: "film0000009", Type: "yt", Title: "other", Seconds: 100}); err != nil {
		t.Fatal(err)
	}
	w.Site.PlayNext(w.Channel) // skipped at once
	w.becomes(9)
	w.answers("!programme start dark", "🎬 Loading dark: 1 item")
	w.loaded(2)
	w.becomes(9, 1)
	w.answers("!programme dark", "🎬 dark (series, 0 of 3 episodes played): 1. https://youtube.com/watch?v="+id(1)+", 2.")
	w.answers("!programme rewind drak", `❌ there is no programme "drak": did you mean dark?`)
}

// S09: What is due while the bot is away is skipped, or caught up as the setting says; what
// recurs goes to its next time.
func TestMissed(t *testing.T) {
	t.Parallel()
	says := map[string]string{"skip": `^📅 .* was due .* ago while the bot was away: skipped`, "catch_up": `^🎬 .* begins$`}
	bot := startIn(t, slices.Collect(maps.Keys(says))...)
	worlds := map[string]*world{}
	var due time.Time
	for missed := range says {
		w := bot.in(t, missed)
		worlds[missed] = w
		w.set("missed", missed)
		w.set("late", "0s")
	}
	for _, w := range worlds {
		due = time.Now().Add(4 * time.Second)
		w.mod.Says("!schedule in 4s " + link(1))
	}
	for _, w := range worlds {
		w.Hears("^📅 1. " + regexp.QuoteMeta(link(1)) + " in ")
	}
	bot.Stop()
	bot.Until("the time to come", func() bool { return time.Now().After(due.Add(2 * time.Second)) })
	bot.Restart()
	for missed, w := range worlds {
		w.Join("admin")
		w.Until("what is said of it", func() bool { return len(w.BotLines()) > 1 })
		if last := w.BotLines()[1]; !matches(says[missed], last) {
			t.Errorf("it said %q, want %s", last, says[missed])
		}
	}
	worlds["catch_up"].becomes(1)
}
