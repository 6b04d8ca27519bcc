package localserver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/cytube/localserver"
)

func film(title string) Media {
	return Media{ID: "id-" + title, Type: "yt", Title: title, Seconds: 200}
}

// ruled returns a lobby and the client of its moderator.
func ruled(t *testing.T) (*Server, client) {
	t.Helper()
	s := start(t, Config{
		Accounts: []Account{{Name: "mod", Password: "x"}},
		Channels: []Channel{{Name: lobby, Ranks: map[string]float64{"mod": 3}}},
	})
	c := connect(t, s)
	c.emit("login", object{"name": "mod", "pw": "x"})
	c.emit("joinChannel", object{"name": lobby})
	c.next("listPlaylists")
	return s, c
}

func TestPlaylist(t *testing.T) {
	t.Parallel()
	s, c := ruled(t)
	a, err := s.AddMedia(lobby, "alice", film("A"))
	try(t, err)
	c.expect("queue", fmt.Sprintf(`{"after":"prepend","item":{"media":{"duration":"03:20","id":"id-A","meta":{},"seconds":200,`+
		`"title":"A","type":"yt"},"queueby":"alice","temp":false,"uid":%d}}`, a))
	c.expect("setCurrent", fmt.Sprint(a))
	c.expect("changeMedia", `{"currentTime":-3,"duration":"03:20","id":"id-A","meta":{},"paused":true,"seconds":200,"title":"A","type":"yt"}`)
	b, err := s.AddMedia(lobby, "bob", film("B"))
	try(t, err)
	d, err := s.AddMedia(lobby, "bob", film("D"))
	try(t, err)
	if _, err := s.AddMedia(lobby, "bob", film("B")); err == nil || !strings.Contains(err.Error(), "already on the playlist") {
		t.Errorf("queued twice: %v", err)
	}

	c.emit("queue", object{"id": "c", "type": "yt", "pos": "next"})
	for queued := ""; !strings.Contains(queued, `"id":"c"`); {
		_, queued = c.next("queue")
	}
	if got, want := s.Titles(lobby), "[A] https://youtu.be/c B D"; got != want {
		t.Errorf("playlist %s, want %s", got, want)
	}
	c.emit("moveMedia", object{"from": d, "after": "prepend"})
	c.expect("moveVideo", fmt.Sprintf(`{"from":%d,"after":"prepend"}`, d))
	c.emit("moveMedia", object{"from": a, "after": b})
	c.expect("moveVideo", fmt.Sprintf(`{"from":%d,"after":%d}`, a, b))
	if got, want := s.Titles(lobby), "D https://youtu.be/c B [A]"; got != want {
		t.Errorf("playlist %s, want %s", got, want)
	}
	c.emit("moveMedia", object{"from": d, "after": d}) // which does nothing
	c.emit("moveMedia", object{"from": d, "after": fmt.Sprint(a)})
	c.expect("moveVideo", fmt.Sprintf(`{"from":%d,"after":"%d"}`, d, a))
	c.emit("moveMedia", object{"from": d, "after": "prepend"})
	c.expect("moveVideo", fmt.Sprintf(`{"from":%d,"after":"prepend"}`, d))
	s.PlayNext(lobby) // from the last to the first
	c.expect("setCurrent", fmt.Sprint(d))
	c.emit("jumpTo", b)
	c.expect("setCurrent", fmt.Sprint(b))
	try(t, s.RemoveMedia(lobby, b))
	c.expect("delete", fmt.Sprintf(`{"uid":%d}`, b))
	c.expect("setCurrent", fmt.Sprint(a))
	if err := s.RemoveMedia(lobby, b); err == nil {
		t.Error("removed twice")
	}
	c.emit("moveMedia", object{"from": d, "after": 999}) // the item is lost
	c.emit("moveMedia", object{"from": a, "after": "prepend"})
	c.expect("moveVideo", fmt.Sprintf(`{"from":%d,"after":"prepend"}`, a))
	if got, want := s.Titles(lobby), "[A] https://youtu.be/c"; got != want {
		t.Errorf("playlist %s, want %s", got, want)
	}
	c.emit("clearPlaylist", nil)
	c.expect("setPlaylistMeta", `{"count":0,"rawTime":0,"time":"00:00"}`)
}

func TestPlaybackGoesOn(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	alice := join(t, s, "alice", "")
	try(t, alice.Queue(soon(t), "yt", "one"))
	try(t, alice.Queue(soon(t), "yt", "two"))
	c := connect(t, s)
	c.emit("joinChannel", object{"name": lobby})
	c.next("channelNotRegistered")

	s.Advance(lobby, 3+180+3) // lead-in, film, lead-out
	var updates []float64
	for {
		name, arg := c.next("mediaUpdate", "delete")
		if name == "delete" {
			break
		}
		var u struct{ CurrentTime float64 }
		try(t, json.Unmarshal([]byte(arg), &u))
		updates = append(updates, u.CurrentTime)
	}
	if len(updates) < 30 || updates[0] != 0 || !slices.IsSorted(updates) {
		t.Errorf("updates: %v", updates)
	}
	c.expect("setCurrent", "1")
	if got, want := s.Titles(lobby), "[https://youtu.be/two]"; got != want {
		t.Errorf("playlist %s, want %s", got, want)
	}
}

func TestQueueRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, Config{
		Channels: []Channel{{Name: lobby, Open: true}},
		Lookup: func(kind, id string) (Media, error) {
			if id == "gone" {
				return Media{}, errors.New("Video does not exist or is private")
			}
			return localserver.MakeUpMedia(kind, id)
		},
	})
	alice := join(t, s, "alice", "")
	for _, tt := range []struct{ kind, id, want string }{
		{"zz", "x", "Unknown media type &#39;zz&#39;"},
		{"cm", "http://x/y.json", "don't have permission to add raw video files"},
		{"yt", "gone", "Video does not exist or is private"},
	} {
		if err := alice.Queue(soon(t), tt.kind, tt.id); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:%s: got %v, want %s", tt.kind, tt.id, err, tt.want)
		}
	}
	try(t, alice.Queue(soon(t), "yt", "fine"))
}

func TestLeaderRank(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	boss, alice := connect(t, s), connect(t, s)
	for name, c := range map[string]client{"boss": boss, "alice": alice} {
		c.emit("joinChannel", object{"name": lobby})
		c.emit("login", object{"name": name})
		c.next("login")
	}
	boss.emit("assignLeader", object{"name": "alice"}) // anybody may in an unregistered channel
	alice.expect("rank", "1.5")
	boss.expect("setUserRank", `{"name":"alice","rank":1.5}`)
	boss.emit("assignLeader", object{"name": "nobody"})
	alice.expect("rank", "0")
	boss.expect("errorMsg", `{"msg":"Unable to assign leader: could not find user nobody"}`)
}
