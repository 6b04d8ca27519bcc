package cmd

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// A hangup has the bot read its settings again: those that can change do, the others are
// named, and a mistake changes nothing. The bot goes on.
func TestHangupReloadsSettings(t *testing.T) {
	t.Parallel()
	store, file := t.TempDir(), settingsFileWith(t, "log_level: info\n")
	bot := start(t, "run", "--local", "--store", store, "--config", file)
	bot.say("hi")
	bot.expect("^operator: hi")
	for settings, logged := range map[string][]string{
		"log_level: debug\nheartbeat: 30s\n": {"settings reloaded", "need a restart", "[heartbeat]"},
		"log_level: loud\n":                  {"settings not reloaded", "loud"},
		"nonsense: 1\n":                      {"nonsense"},
	} {
		if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := bot.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for _, text := range logged {
			if err := until(soon(t), func() bool { return strings.Contains(bot.stderr.String(), text) }); err != nil {
				t.Fatalf("after %q the log lacks %q:\n%s", settings, text, bot.stderr.String())
			}
		}
	}
	bot.say("!roll d6")
	bot.expect("^rosey: ")
	if code := bot.interrupt(); code != 0 || !strings.Contains(replayed(t, store), `"subject":"platform.shutdown"`) {
		t.Errorf("exit code %d\n%s", code, bot.stderr.String())
	}
}
