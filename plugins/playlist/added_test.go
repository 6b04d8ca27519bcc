package playlist

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// The first item of an empty playlist plays, also where the channel has not said so yet.
func TestAddedToAnEmptyPlaylist(t *testing.T) {
	t.Parallel()
	set, err := plugins.DecodeSettings[Settings](nil)
	if err != nil {
		t.Fatal(err)
	}
	items := []view.Item{{UID: 1, URL: "a", Type: "yt", Title: "A", QueuedBy: "Rosey"}, {UID: 2, URL: "b", Type: "yt", Title: "B", QueuedBy: "Rosey"}}
	for _, test := range []struct{ playing, url, want string }{
		{"", "a", "it plays now"}, {"", "b", "number 1"}, {"a", "b", "number 1"}, {"a", "a", "it plays now"},
	} {
		s := &plugins.State{BotName: "Rosey", View: view.View{Playlist: items}}
		if test.playing != "" {
			s.Playing = &view.Playing{URL: test.playing, Type: "yt"}
		}
		out := (&record{}).added(&plugins.Context{}, set, s, &asked{Kind: "add", User: "alice", URL: test.url, Type: "yt"})
		if said, err := event.As[event.SendChat](out[len(out)-1]); err != nil || !strings.HasSuffix(said.Message, test.want) {
			t.Errorf("with %q playing, %q added: %q, %v, want %s", test.playing, test.url, said.Message, err, test.want)
		}
	}
}
