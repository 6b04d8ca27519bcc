package cmd

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestPluginAsItsOwnProcess(t *testing.T) {
	streamstest.Slow(t, "kills processes")
	t.Parallel()
	store := t.TempDir()
	bot := start(t, "run", "--local", "--plugins", "none", "--store", store)
	bot.say("hi")
	bot.expect("^operator: hi")
	plugin := start(t, "plugin", "run", "dice-roller", "--store", store)
	waitPlugin(t, store, `"state":"running"`)
	bot.say("!roll 3d6")
	bot.expect("Rolled 3d6")
	if r := rosey(t, "", "plugin", "pause", "dice-roller", "--store", store); r.code != 0 {
		t.Fatalf("pause: %+v", r)
	}
	waitPlugin(t, store, `"state":"paused"`)
	bot.say("!roll 4d6")
	waitPlugin(t, store, `"lag":1`)
	if r := rosey(t, "", "plugin", "resume", "dice-roller", "--store", store); r.code != 0 || !strings.Contains(r.stdout, "1 event(s) waiting") {
		t.Fatalf("resume: %+v", r)
	}
	bot.expect("Rolled 4d6")
	if r := rosey(t, "", "plugin", "rm", "dice-roller", "--store", store); r.code != 1 || !strings.Contains(r.stderr, "still run") {
		t.Errorf("rm of a running plugin: %+v", r)
	}
	// Commands for a killed plugin wait for the next process.
	plugin.kill()
	bot.say("!roll 5d6")
	waitPlugin(t, store, `"lag":1`)
	plugin = start(t, "plugin", "run", "dice-roller", "--store", store)
	bot.expect("Rolled 5d6")
	if r := rosey(t, "", "plugin", "restart", "dice-roller", "--store", store); r.code != 0 {
		t.Errorf("restart: %+v", r)
	}
	bot.say("!roll 6d6")
	bot.expect("Rolled 6d6")
	if code := plugin.interrupt(); code != 0 {
		t.Errorf("the plugin's exit code is %d\n%s", code, plugin.stderr.String())
	}
	bot.interrupt()
	if r := rosey(t, "", "plugin", "ls", "--store", store); r.code != 0 || !regexp.MustCompile(`dice-roller +1\.0\.0 +stopped`).MatchString(r.stdout) {
		t.Errorf("ls on a stopped bot's store: %+v", r)
	}
	if r := rosey(t, "", "plugin", "rm", "dice-roller", "--store", store); r.code != 0 {
		t.Errorf("rm of a stopped plugin: %+v", r)
	}
}

// waitPlugin waits until the list of plugins has a text.
func waitPlugin(t *testing.T, store, want string) {
	t.Helper()
	awaitOutput(t, want, "plugin", "ls", "--output", "json", "--store", store)
}
