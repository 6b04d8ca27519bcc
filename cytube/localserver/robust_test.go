package localserver

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

// anyJSON generates JSON values, mostly objects with the keys that the server
// knows and values that it may not expect.
func anyJSON() *rapid.Generator[any] {
	scalar := rapid.Custom(func(t *rapid.T) any {
		return rapid.SampledFrom([]any{nil, true, -1, 0, 1, 2, 1.5, 1e300, "", "alice", "boss", "prepend", "next", "end", "yt",
			"/me x", "/rank alice 2", "/kick alice", "/mute alice", "/unmute alice", "/ban alice", "/clear", "/afk", "/say x", ">x",
			"http://a/b", "\x00", []any{}, []any{map[string]any{}}, map[string]any{"modflair": map[string]any{}}}).Draw(t, "value")
	})
	key := rapid.SampledFrom([]string{"name", "pw", "msg", "meta", "to", "id", "type", "pos", "temp", "uid", "from", "after",
		"rank", "currentTime", "paused", "duration", "title"})
	return rapid.OneOf(scalar, rapid.Map(rapid.MapOf(key, scalar), func(m map[string]any) any { return m }))
}

// No event of a client makes the server panic or forget to let go of its lock.
func TestNoEventBreaksTheServer(t *testing.T) {
	t.Parallel()
	var names []string
	for name := range handlers {
		names = append(names, name)
	}
	slices.Sort(names)
	s, err := Start(Config{
		Accounts: []Account{{Name: "boss", Password: "x"}, {Name: "alice", Password: "x"}},
		Channels: []ChannelConfig{{Name: "lobby", Ranks: map[string]float64{"boss": 5}, Open: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rapid.Check(t, func(t *rapid.T) {
		// Sessions without a network: frames to them stay queued.
		sessions := []*Session{newSession(s, nil, 4, "a"), newSession(s, nil, 3, "b"), newSession(s, nil, 4, "c")}
		send := func(c *Session, name string, arg any) {
			p, err := socketio.NewEvent(name, arg)
			if err != nil {
				t.Fatal(err)
			}
			if !c.take(p.Encode()) {
				t.Fatalf("%s closed the connection", p.Encode())
			}
		}
		for i, c := range sessions {
			c.take([]byte("40"))
			if name := []string{"boss", "alice", ""}[i]; name != "" && rapid.Bool().Draw(t, "logged in") {
				send(c, "login", object{"name": name, "pw": "x"})
			}
			if rapid.Bool().Draw(t, "joined") {
				send(c, "joinChannel", object{"name": "lobby"})
			}
		}
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			send(rapid.SampledFrom(sessions).Draw(t, "sender"), rapid.SampledFrom(names).Draw(t, "event"), anyJSON().Draw(t, "arg"))
		}
		for _, c := range sessions {
			c.take([]byte("41"))
			for _, frame := range c.out {
				if _, err := socketio.Decode(frame); err != nil {
					t.Fatalf("the server said %q: %v", frame, err)
				}
			}
		}
		if users := s.channel("lobby").Users(); len(users) != 0 {
			t.Fatalf("still there: %q", users)
		}
	})
}
