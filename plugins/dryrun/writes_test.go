package dryrun_test

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// scorer gives points, and says nothing of how many.
func scorer(points int, field string) plugins.Plugin {
	type score struct {
		User string `json:"user" mark:"person"`
	}
	return plugins.Plugin{Name: "scorer", Version: "1.0.0", Collections: map[string]any{"scores": score{}}, Commands: []plugins.Command{{Name: "win", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		if _, err := c.DB("scores").Set(event.ID(c.Command.User), map[string]any{"user": c.Command.User, field: points}); err != nil {
			return nil, err
		}
		return c.Say("%s wins", c.Command.User), nil
	}}}}
}

// What a plugin writes is compared like what it says.
func TestWritesAreCompared(t *testing.T) {
	streamstest.Slow(t, "runs plugins")
	t.Parallel()
	channel := plugintest.Run(t, scorer(10, "points"))
	channel.Say("alice", "!win")
	c := record(t, channel, scorer(10, "points"), replay.Filter{})
	for name, v := range map[string]struct {
		plugin plugins.Plugin
		want   dryrun.Status
	}{
		"unchanged":          {scorer(10, "points"), dryrun.Same},
		"other points":       {scorer(-999, "points"), dryrun.Changed},
		"a field of another": {scorer(10, "point"), dryrun.Changed},
	} {
		if got := run(t, c, v.plugin)[0]; got.Status() != v.want {
			t.Errorf("%s: it is %s, want %s: %s", name, got.Status(), v.want, text(t, got))
		}
	}
}
