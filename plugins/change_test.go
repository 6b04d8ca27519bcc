package plugins_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// A command handled twice gives one reply and one record, however the handler
// writes.
func TestRepeat(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		db := c.DB("things")
		id, err := db.Add(map[string]any{"by": c.Command.Channel})
		if err != nil {
			return nil, err
		}
		// The second time this finds what the first wrote, and writes less.
		if err := db.Get("first", &struct{}{}); event.CodeOf(err) == event.RecordNotFound {
			if _, err := db.Set("first", map[string]any{"id": "first", "was": id}); err != nil {
				return nil, err
			}
		}
		if _, err := db.Set("last", map[string]any{"n": c.Rand().IntN(1_000_000), "at": c.Now().UnixNano()}); err != nil {
			return nil, err
		}
		var tally struct{ N int }
		out, err := db.Change("naïve tally\n", &tally, func() ([]event.Envelope, error) { tally.N++; return c.Say("%d", tally.N), nil })
		if err != nil {
			return nil, err
		}
		again, err := db.Change("naïve tally\n", &tally, func() ([]event.Envelope, error) { tally.N += 10; return c.Say("%d", tally.N), nil })
		if err != nil {
			return nil, err
		}
		if err := c.Publish(c.Emit("early", map[string]any{"n": tally.N})...); err != nil {
			return nil, err
		}
		return append(append(out, again...), c.Emote("adds %s", id)...), nil
	}))
	for i, want := range []string{"1 11 /me adds 1", "12 22 /me adds 2"} {
		channel.Type("alice", 1, "!x")
		if got := strings.Join([]string{channel.Next(), channel.Next(), channel.Next()}, " "); got != want {
			t.Errorf("it said %s, want %s", got, want)
		}
		things := func() string {
			body, err := channel.Request(event.SubjectQuery, event.Query{Collection: "things", OrderBy: "id"})
			if err != nil {
				t.Fatal(err)
			}
			return string(body)
		}
		channel.Settle("x")
		before := things()
		channel.Repeat("x")
		if after := things(); after != before {
			t.Errorf("handled again, the records are %s, after %s", after, before)
		}
		if said, early := len(channel.Said()), len(channel.Stored("plugin.x.event.early")); said != 3*(i+1) || early != i+1 {
			t.Errorf("handled again, it said %d things and emitted %d events", said, early)
		}
	}
}

type tally struct {
	N    int      `json:"n"`
	Seen []string `json:"seen"`
}

// count changes a tally as its argument says, and says what came of it.
func count(c *plugins.Context) ([]event.Envelope, error) {
	var v tally
	calls := 0
	out, err := c.DB("tallies").Change("x", &v, func() ([]event.Envelope, error) {
		switch calls++; c.Command.Args[0] {
		case "nothing":
			return nil, nil
		case "fail":
			v.N = 1000
			return nil, event.Errorf(event.PluginError, "no")
		case "bad":
			v.N = 1000
			return c.Say(""), nil
		case "race":
			if calls < 3 { // another process writes between the read and the write
				if _, err := c.DB("tallies").Set("x", tally{N: v.N + 100}); err != nil {
					return nil, err
				}
			}
		}
		v.N++
		v.Seen = append(v.Seen, c.Command.Args[0])
		return c.Say("%d %v after %d", v.N, v.Seen, calls), nil
	})
	if err == nil && len(out) == 0 {
		return c.Say("nothing"), nil
	}
	return out, err
}

// revision returns the revision of the tally, 0 if there is none.
func revision(t *testing.T, channel *plugintest.Channel) uint64 {
	t.Helper()
	body, err := channel.Request(event.SubjectGet, event.Get{Collection: "tallies", ID: "x"})
	if event.CodeOf(err) == event.RecordNotFound {
		return 0
	}
	var r struct{ Revision uint64 }
	if err != nil || json.Unmarshal(body, &r) != nil {
		t.Fatal(string(body), err)
	}
	return r.Revision
}

// Change retries if another process wrote in between, and returns an error of change
// without writing: what is stored is read before it is written (S39).
func TestChange(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, plugin(count))
	writesNothing := func() {
		t.Helper()
		before := revision(t, channel)
		for _, step := range [][2]string{{"nothing", "nothing"}, {"fail", "❌ no"}} {
			if got := channel.Say("alice", "!x "+step[0]); got != step[1] || revision(t, channel) != before {
				t.Errorf("%s: said %q, and the revision is %d, after %d", step[0], got, revision(t, channel), before)
			}
		}
	}
	writesNothing()
	if got := channel.Say("alice", "!x one"); got != "1 [one] after 1" {
		t.Error(got)
	}
	writesNothing()
	before := revision(t, channel)
	channel.Type("alice", 1, "!x bad")
	if l := deadLetter(t, channel); l.Attempts != 1 || revision(t, channel) != before {
		t.Errorf("a change that says nothing: %+v, %v", l, revision(t, channel))
	}
	if got := channel.Say("alice", "!x race"); got != "202 [race] after 3" {
		t.Error(got)
	}
}
