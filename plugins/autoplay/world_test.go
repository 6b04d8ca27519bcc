package autoplay_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/autoplay"
)

func TestMain(m *testing.M) { bottest.Main(m, autoplay.New()) }

// hosts are the sites of the media, which may fail.
type hosts struct {
	mu     sync.Mutex
	errors map[string][]string // of the next lookups, by ID; "" is none
	always map[string]string   // of all lookups, by ID; "*" is any
	asked  []string            // IDs
}

func newHosts() *hosts { return &hosts{errors: map[string][]string{}, always: map[string]string{}} }

// lookup is the site's.
func (h *hosts) lookup(kind, id string) (cytubetest.Media, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, id)
	text := h.always["*"]
	if h.always[id] != "" {
		text = h.always[id]
	}
	if next := h.errors[id]; len(next) > 0 {
		text, h.errors[id] = next[0], next[1:]
	}
	if text != "" {
		return cytubetest.Media{}, errors.New(text)
	}
	return cytubetest.Media{ID: id, Type: kind, Title: "film " + id, Seconds: 200}, nil
}

// fails has all lookups of an ID fail, or none if text is "".
func (h *hosts) fails(id, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.always[id] = text
}

// times returns how often an ID was looked up.
func (h *hosts) times(id string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.asked {
		if a == id {
			n++
		}
	}
	return n
}

// world is a bot in a channel, and a moderator.
type world struct {
	*bottest.World
	t     *testing.T
	hosts *hosts
	mod   *bottest.User
}

func start(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return startIn(t, bottest.Channel).in(t, bottest.Channel)
}

// startIn starts a bot in channels, in which in has the moderator join.
func startIn(t *testing.T, channels ...string) *world {
	t.Helper()
	w := &world{hosts: newHosts()}
	w.World = bottest.Start(t, bottest.Channels(channels...), func(c *cytubetest.Config) { c.Lookup = w.hosts.lookup })
	return w
}

// in returns the world of one of the bot's channels for a test.
func (w *world) in(t *testing.T, channel string) *world {
	t.Helper()
	in := &world{World: w.In(t, channel), t: t, hosts: w.hosts}
	in.mod = in.Join("mod")
	return in
}

// TestChannel has one bot in a channel for each test, where no host fails: to start a bot takes longer
// than most of them.
func TestChannel(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T, *world){
		"ProgrammeOfWhatIsThere": testProgrammeOfWhatIsThere, "Series": testSeries, "Commands": testCommands,
	}
	bot := startIn(t, slices.Collect(maps.Keys(tests))...)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, bot.in(t, name))
		})
	}
}

// id returns the ID of the nth film, and link its address.
func id(n int) string { return fmt.Sprintf("film%07d", n) }

func link(n int) string { return "https://youtu.be/" + id(n) + "?si=x" }

func links(from, to int) string {
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, link(n))
	}
	return strings.Join(all, " ")
}

// playlist returns the IDs on the playlist.
func (w *world) playlist() (ids []string) {
	for _, i := range w.Site.Playlist(w.Channel) {
		ids = append(ids, strings.TrimPrefix(i.Media.ID, "film000000"))
	}
	return ids
}

// becomes waits for the playlist to be of these films.
func (w *world) becomes(want ...int) {
	w.t.Helper()
	w.Until(fmt.Sprint("the playlist ", want), func() bool { return fmt.Sprint(w.playlist()) == fmt.Sprint(want) })
}

// set changes a setting of the plugin.
func (w *world) set(key, value string) {
	w.t.Helper()
	w.Set(w.Channel, autoplay.Name, key, value)
}

// answers fails unless the answer to a line begins like that.
func (w *world) answers(line, want string) {
	w.t.Helper()
	if got := w.Asks(w.mod, line); !strings.HasPrefix(got, want) {
		w.t.Errorf("%s\n got %q\nwant %q", line, got, want)
	}
}

// loaded waits for a number of programmes to be loaded.
func (w *world) loaded(n int) {
	w.t.Helper()
	w.Until("programmes to be loaded", func() bool { return len(w.Stored(event.EventSubject(autoplay.Name, "loaded"))) >= n })
}
