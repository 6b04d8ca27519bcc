package playlist

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
)

func TestMain(m *testing.M) { bottest.Main(m, New()) }

// world is a bot with the plugin in a channel.
type world struct {
	*bottest.World
	t *testing.T
}

// start starts a bot in channels of a site where the ID of a video ends in its seconds, and one that
// begins with gone is not there.
func start(t *testing.T, channels ...string) *bottest.World {
	t.Helper()
	return bottest.Start(t, bottest.Channels(channels...), func(c *cytubetest.Config) {
		c.Lookup = lookup
		for _, in := range c.Channels {
			if in.Name == withoutRank {
				in.Ranks[bottest.BotName] = 1
			}
		}
	})
}

const withoutRank = "BotWithoutRank"

// botTests are tests of one bot, which is in a channel for each of them: to start a bot takes longer than most.
type botTests []struct {
	name string
	test func(*testing.T, world)
}

// run runs the tests with a bot, each as a subtest.
func (tests botTests) run(t *testing.T, parallel bool) {
	t.Helper()
	var channels []string
	for _, test := range tests {
		channels = append(channels, test.name)
	}
	bot := start(t, channels...)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if parallel {
				t.Parallel()
			}
			test.test(t, world{bot.In(t, test.name), t})
		})
	}
}

// TestChannel has people and moderators use the playlist. Some bots share the tests, as each channel of a bot
// reads what is sent to the others.
func TestChannel(t *testing.T) {
	t.Parallel()
	for about, tests := range map[string]botTests{
		"commands": {{"Commands", testCommands}, {"BadInput", testBadInput}, {"S01", testS01LinksOfOneVideo}, {"S05", testS05NextInOrder}, {"S06", testS06Titles}},
		"limits":   {{"Limits", testLimits}, {"FairTurns", testFairTurns}, {"Settings", testSettings}, {"S02", testS02LimitsCountWhatIsThere}, {"S04", testS04RefusedLater}},
		"undo":     {{"Undo", testUndo}, {"UndoSkip", testUndoSkip}, {"UndoShuffle", testUndoShuffle}, {"UndoWhatIsGone", testUndoWhatIsGone}},
		"others":   {{"Texts", testTexts}, {"TextsAreSaid", testTextsAreSaid}, {"Wishes", testWishes}, {withoutRank, testBotWithoutRank}, {"S03", testS03Votes}},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			tests.run(t, true)
		})
	}
}

// TestKilled kills a bot in the middle of its work, in one channel after the other.
func TestKilled(t *testing.T) {
	t.Parallel()
	botTests{
		{"Adding", func(t *testing.T, w world) { testKilledWhileAdding(t, w, false) }},
		{"AddingDone", func(t *testing.T, w world) { testKilledWhileAdding(t, w, true) }},
		{"Wishes", testKilledWhileWishesAreAdded}, {"UndoPurge", testUndoPurge}, {"Load", testLoadAfterKill},
	}.run(t, false)
}

// set changes settings, which are pairs of key and value.
func (w world) set(settings ...string) {
	w.t.Helper()
	for i := 0; i < len(settings); i += 2 {
		w.Set(w.Channel, Name, settings[i], settings[i+1])
	}
}

// titles are those of videos that have another than their ID.
var titles = map[string]string{
	"chudchu1984": "C.H.U.D. (1984)", "exclama0200": "!!!", "percent0100": "100%", "quoteda0060": `"Heroes" AND & friends`, "remake_0060": "C.H.U.D. (1984) remake",
}

func lookup(kind, id string) (cytubetest.Media, error) {
	if strings.HasPrefix(id, "gone") {
		return cytubetest.Media{}, errors.New("Video does not exist or is private")
	}
	seconds, _ := strconv.Atoi(id[max(0, len(id)-4):])
	title := titles[id]
	if title == "" {
		title = id
	}
	return cytubetest.Media{ID: id, Type: kind, Title: title, Seconds: max(seconds, 60)}, nil
}

// fill puts videos on the playlist in the name of a user.
func (w world) fill(by string, ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		m, err := lookup("yt", id)
		if err == nil {
			_, err = w.Site.AddMedia(w.Channel, by, m)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.seen(len(ids))
}

// seen waits until the bot has recorded as many items as the playlist has.
func (w world) seen(int) {
	w.t.Helper()
	n := len(w.Site.Playlist(w.Channel))
	w.Until("the playlist to be seen", func() bool { return len(w.Stored("cytube.media.queue")) >= n })
}

// ids returns the IDs of the playlist, the playing one in brackets.
func (w world) ids() string {
	var all []string
	for _, i := range w.Site.Playlist(w.Channel) {
		id := i.ID
		if i.Playing {
			id = "[" + id + "]"
		}
		all = append(all, id)
	}
	return strings.Join(all, " ")
}

// shows waits until the playlist is as given.
func (w world) shows(want string) {
	w.t.Helper()
	w.Until("the playlist "+want, func() bool { return w.ids() == want })
}

// answers says lines, and checks the bot's answers, which begin as given.
func (w world) answers(u *bottest.User, steps ...[2]string) {
	w.t.Helper()
	for _, step := range steps {
		if got := w.Asks(u, step[0]); !strings.HasPrefix(got, step[1]) {
			w.t.Errorf("%s: %q, want %q", step[0], got, step[1])
		}
	}
}
