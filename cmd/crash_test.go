package cmd

import (
	"bytes"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/crashtest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// serveNATS is what makes the test binary an ordinary NATS server.
const serveNATS = "serve-nats"

// TestCrash is make crash for a few seconds: whatever is killed, each command is
// answered once. The bot has the race detector here: nowhere else has it as much to
// do at a time.
func TestCrash(t *testing.T) {
	streamstest.Slow(t, "kills processes")
	t.Parallel()
	exe := self(t)
	for name, c := range map[string]struct {
		servers  int
		channels int
		soak     bool
	}{"embedded": {channels: 3}, "external": {servers: 1, channels: 1}, "soak": {channels: 1, soak: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var progress bytes.Buffer
			r, err := crashtest.Run(t.Context(), crashtest.Config{
				Rosey: []string{exe}, NATS: []string{exe, serveNATS}, Servers: c.servers, Channels: c.channels, Soak: c.soak, Env: []string{"ROSEY_TEST_MAIN=1"},
				Seed: 1, Duration: 10 * time.Second, Dir: t.TempDir(), Progress: &progress,
			})
			if err != nil {
				t.Fatalf("%s%v", progress.String(), err)
			}
			r.Print(&progress)
			t.Log(progress.String())
			if c.soak { // too short to tell of growth, but not to be measured
				if len(r.Soaked.Samples) == 0 || r.Soaked.Writes == 0 || r.Soaked.Visits == 0 {
					t.Errorf("%d samples, %d writes, %d visits", len(r.Soaked.Samples), r.Soaked.Writes, r.Soaked.Visits)
				}
				r.Soaked.Measured = nil
			}
			if err := r.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Plugin processes and the bot start in any order, and a plugin process stays
// while the bot comes and goes.
func TestPluginOutlivesTheBot(t *testing.T) {
	streamstest.Slow(t, "kills processes")
	t.Parallel()
	store := t.TempDir()
	plugin := start(t, "plugin", "run", "dice-roller", "--store", store)
	for _, dice := range []string{"2d6", "3d6"} {
		bot := start(t, "run", "--local", "--plugins", "none", "--store", store)
		bot.say("hi")
		bot.expect("^operator: hi")
		waitPlugin(t, store, `"state":"running"`)
		bot.say("!roll " + dice)
		bot.expect("Rolled " + dice)
		if dice == "2d6" {
			bot.kill()
		} else if code := bot.interrupt(); code != 0 {
			t.Errorf("the bot's exit code is %d\n%s", code, bot.stderr.String())
		}
	}
	if code := plugin.interrupt(); code != 0 {
		t.Errorf("the plugin's exit code is %d\n%s", code, plugin.stderr.String())
	}
}

// crashServer runs the NATS server that the arguments ask for; false when they
// ask for none.
func crashServer(args []string) (asked bool, err error) {
	if len(args) != 3 || args[1] != serveNATS {
		return false, nil
	}
	return true, crashtest.ServeNATS(args[2])
}
