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

// start starts a bot at a site where the ID of a video ends in its seconds, and one that
// begins with gone is not there. Settings are pairs of key and value.
func start(t *testing.T, settings ...string) world {
	t.Helper()
	w := world{bottest.Start(t, func(c *cytubetest.Config) { c.Lookup = lookup }), t}
	for i := 0; i < len(settings); i += 2 {
		w.Set(bottest.Channel, Name, settings[i], settings[i+1])
	}
	return w
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
			_, err = w.Site.AddMedia(bottest.Channel, by, m)
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
	n := len(w.Site.Playlist(bottest.Channel))
	w.Until("the playlist to be seen", func() bool { return len(w.Stored("cytube.media.queue")) >= n })
}

// ids returns the IDs of the playlist, the playing one in brackets.
func (w world) ids() string {
	var all []string
	for _, i := range w.Site.Playlist(bottest.Channel) {
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
