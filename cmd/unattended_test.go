//go:build unix

package cmd

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// The death of a plugin's process while it handles a command is reported, with the pending
// events; so are the pending events of a stopped bot.
func TestDeathWithACommandInHand(t *testing.T) {
	streamstest.Slow(t, "kills processes")
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	bot := start(t, "run", "--local", "--plugins", "none", "--store", store)
	bot.say("hi")
	bot.expect("^operator: hi")
	plugin := start(t, "plugin", "run", "dice-roller", "--store", store)
	waitPlugin(t, store, `"state":"running"`)
	suspend(t, plugin)
	for i := range 3 {
		bot.say(fmt.Sprintf("!roll d6+%d", i))
	}
	waitPlugin(t, store, `"lag":2,"unacked":1`)
	plugin.kill()
	nobody := regexp.MustCompile(`plugin-dice-roller +PLUGIN +2 +1 +0 +nobody reads`)
	status := ""
	if err := until(soon(t), func() bool {
		status = rosey(t, "", "status", "--store", store).stdout
		return nobody.MatchString(status)
	}); err != nil {
		t.Fatalf("status:\n%s", status)
	}
	_, lines := diagnose(t, "--store", store)
	if want := "consumers warn: nobody reads plugin-dice-roller on PLUGIN, and 3 events wait → start the plugin, or rosey plugin rm dice-roller"; !has(lines, want) || count(lines, "dice-roller") != 1 {
		t.Errorf("doctor: %q", lines)
	}
	if r := rosey(t, "", "plugin", "pause", "dice-roller", "--store", store); r.code != 0 {
		t.Fatalf("pause: %+v", r)
	}
	_, lines = diagnose(t, "--store", store)
	if want := "consumers warn: plugin-dice-roller on PLUGIN is paused, and 3 events wait for it → rosey plugin resume dice-roller"; !has(lines, want) || count(lines, "dice-roller") != 1 {
		t.Errorf("doctor of a paused plugin: %q", lines)
	}
	if r := rosey(t, "", "plugin", "resume", "dice-roller", "--store", store); r.code != 0 {
		t.Fatalf("resume: %+v", r)
	}
	if code := bot.interrupt(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(bot.stderr.String(), "not every plugin has handled the shutdown") {
		t.Errorf("the bot waits for a plugin that is dead:\n%s", bot.stderr.String())
	}
	if _, lines := diagnose(t, "--store", store); !regexp.MustCompile(`consumers ok: \d+, none in trouble; \d+ events wait for the bot to run`).MatchString(strings.Join(lines, "\n")) {
		t.Errorf("doctor of a stopped bot: %q", lines)
	}
	// What comes through a pipe does not wait for it either.
	if r := rosey(t, "again\n", "run", "--local", "--plugins", "none", "--store", store); r.code != 0 {
		t.Errorf("a line through a pipe: %+v", r)
	}
}

// count is how many of doctor's lines speak of something.
func count(lines []string, of string) (n int) {
	for _, l := range lines {
		if strings.Contains(l, of) {
			n++
		}
	}
	return n
}

// A plugin that is paused is one warning, on however many streams it reads, and runs
// not, as the heartbeat has it.
func TestPausedPluginDoesNotRun(t *testing.T) {
	streamstest.Slow(t, "kills processes")
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	bot := start(t, "run", "--local", "--plugins", "dice-roller,countdown", "--heartbeat", "1s", "--store", store)
	bot.say("hi")
	bot.expect("^operator: hi")
	platform, err := busOf(t, store).JetStream().Stream(t.Context(), streams.Platform)
	if err != nil {
		t.Fatal(err)
	}
	// The latest heartbeat: those before it may be of another state.
	active := func(want int) {
		t.Helper()
		got := -1
		if err := until(soon(t), func() bool {
			var beat struct {
				Data event.Heartbeat `json:"data"`
			}
			msg, err := platform.GetLastMsgForSubject(t.Context(), event.SubjectHeartbeat)
			if err == nil && json.Unmarshal(msg.Data, &beat) == nil {
				got = beat.Data.PluginsActive
			}
			return got == want
		}); err != nil {
			t.Fatalf("plugins_active is %d and should be %d", got, want)
		}
	}
	active(2)
	if r := rosey(t, "", "plugin", "pause", "countdown", "--store", store); r.code != 0 {
		t.Fatalf("pause: %+v", r)
	}
	active(1)
	if _, lines := diagnose(t, "--store", store); !has(lines, "consumers warn: plugin-countdown on ") || count(lines, "countdown") != 1 {
		t.Errorf("doctor: %q", lines)
	}
	if r := rosey(t, "", "plugin", "resume", "countdown", "--store", store); r.code != 0 {
		t.Fatalf("resume: %+v", r)
	}
	active(2)
}
