package bottest_test

import (
	"fmt"
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// jukebox counts what it was asked to queue, and says who may and what plays.
func jukebox() plugins.Plugin {
	type count struct{ N int }
	return plugins.Plugin{
		Name: "jukebox", Version: "1.0.0", Description: "Queues", Capabilities: []string{"chat", "storage", "playlist.add", "read:public", "request:channel"},
		Collections: map[string]any{"jukebox": count{}},
		Commands: []plugins.Command{{Name: "play", Description: "queues", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			var n count
			return c.DB("jukebox").Change("count", &n, func() ([]event.Envelope, error) {
				n.N++
				return c.Queue(c.Text(0)).For(c.Command.User).Events(), nil
			})
		}}, {Name: "who", Description: "says who is there", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			s, err := c.State(plugins.Users, plugins.Playlist, plugins.Playing)
			if err != nil {
				return nil, err
			}
			u, _ := s.User("ALICE")
			return c.Say("%s %d, %s %d, item %d of %d", u.Name, u.Rank, s.BotName, s.Bot().Rank, s.Current(), len(s.Playlist)), nil
		}}},
		Outcomes: func(c *plugins.Context, o event.Delivery) ([]event.Envelope, error) {
			var n count
			if err := c.DB("jukebox").Get("count", &n); err != nil {
				return nil, err
			}
			return c.Say("%s: %s, %d", o.For, o.Status, n.N), nil
		},
	}
}

func TestMain(m *testing.M) { bottest.Main(m, jukebox(), hand()) }

// A handler gets the channel as it is, and what it asks of it is done.
func TestState(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	alice := w.Join("alice")
	if got := w.Asks(alice, "!who"); got != "alice 1, Rosey 3, item -1 of 0" {
		t.Error(got)
	}
	for i := range 2 {
		if got := w.Asks(alice, fmt.Sprintf("!play https://youtu.be/abcdefghij%d", i)); got != fmt.Sprintf("alice: done, %d", i+1) {
			t.Error(got)
		}
	}
	w.Site.PlayNext(bottest.Channel)
	w.Until("the next item to play", func() bool { return len(w.Stored(event.SubjectMediaChange)) == 2 })
	if got := w.Asks(alice, "!who"); got != "alice 1, Rosey 3, item 1 of 2" {
		t.Error(got)
	}
	w.Stop()
	w.Restart()
	if got := w.Asks(alice, "!who"); got != "alice 1, Rosey 3, item 1 of 2" {
		t.Error(got)
	}
}

// A bot that is killed while it acts on the channel acts once, whether the server did it or
// not.
func TestKillAt(t *testing.T) {
	t.Parallel()
	for _, done := range []bool{true, false} {
		t.Run(fmt.Sprint(done), func(t *testing.T) {
			t.Parallel()
			w := bottest.Start(t)
			alice := w.Join("alice")
			w.KillAt("queue", done, func() { alice.Says("!play https://youtu.be/abcdefghijk") })
			if got := w.Hears(""); got != "alice: done, 1" {
				t.Error(got)
			}
			if list := w.Site.Playlist(bottest.Channel); len(list) != 1 || list[0].By != bottest.BotName {
				t.Errorf("the playlist: %+v", list)
			}
			if lines := w.BotLines(); len(lines) != 1 {
				t.Errorf("it said %q", lines)
			}
		})
	}
}
