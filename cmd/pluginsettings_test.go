package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Settings change while the bot runs, hold at once and after it has stopped, and their
// history says who changed them.
func TestSettingsOfPlugins(t *testing.T) {
	streamstest.Slow(t, "restarts a bot")
	t.Parallel()
	store := t.TempDir()
	p := start(t, "run", "--local", "--store", store)
	p.say("!roll 2d6")
	p.expect("Rolled 2d6")
	steps := func(outcomes ...outcome) { t.Helper(); expect(t, outcomes, "--store", store) }
	steps(
		outcome{[]string{"settings", "ls"}, 0, "everything has its default"},
		outcome{[]string{"settings", "ls", "trivia"}, 0, "questions of a game that is started without a number"},
		outcome{[]string{"settings", "get", "trivia", "questions"}, 0, "10"},
		outcome{[]string{"settings", "set", "dice-roller", "max_dice", "3", "--reason", "short lines"}, 0, "max_dice of dice-roller in all channels: 3, it was not set"},
		outcome{[]string{"settings", "set", "dice-roller", "max_dice", "3"}, 0, "it is so already"},
		outcome{[]string{"settings", "set", "dice-roller", "max_dice", "300"}, 1, "max_dice must be a whole number from 1 to 100, not 300"},
		outcome{[]string{"settings", "set", "dice-roller", "max_dices", "3"}, 1, "did you mean max_dice?"},
		outcome{[]string{"settings", "set", "dice", "max_dice", "3"}, 1, `there is no plugin "dice"`},
		outcome{[]string{"settings", "set", "dice-roller", "max_dice"}, 2, "give plugin, key, value: rosey settings set PLUGIN KEY VALUE"},
		outcome{[]string{"settings", "set", "dice-roller", "max_dice", "2", "--channel", "nowhere"}, 1, `the bot is not in a channel "nowhere"`},
		outcome{[]string{"settings", "get", "dice-roller", "max_dice", "--output", "json"}, 0, `"value":3,"default":false`},
	)
	p.say("!roll 4d6")
	p.expect("that is 4 dice, and I have 3")
	steps(
		outcome{[]string{"settings", "set", "trivia", "enabled", "off", "--channel", "local"}, 0, "enabled of trivia in channel local: off"},
		outcome{[]string{"status"}, 0, "switched off: trivia in channel local (by "},
		outcome{[]string{"doctor"}, 0, "switched off: trivia in channel local (by "},
		outcome{[]string{"replay", "--into", "dice-roller"}, 0, "2 event(s): 2 same"},
		outcome{[]string{"replay", "--into", "dice-roller", "--setting", "dice-roller.max_dice=3"}, 0, ""},
		outcome{[]string{"replay", "--into", "dice-roller", "--set", "max_dice=1"}, 1, "that is 2 dice, and I have 1"},
		outcome{[]string{"replay", "--into", "dice-roller", "--set", "max_dice=0"}, 2, "max_dice must be a whole number from 1 to 100, not 0"},
		outcome{[]string{"replay", "--into", "dice-roller", "--set", "max_dice"}, 2, "--set max_dice: write KEY=VALUE"},
		outcome{[]string{"replay", "--into", "dice-roller", "--set", "cooldown_user=9s"}, 2, "cooldown_user decides whether a command comes to the plugin"},
	)
	p.interrupt()
	steps(
		outcome{[]string{"settings", "ls"}, 0, "max_dice"},
		outcome{[]string{"settings", "history", "dice-roller"}, 0, "short lines"},
		outcome{[]string{"settings", "history", "dice-roller"}, 0, "(default)"},
		outcome{[]string{"settings", "history", "dice-rolle"}, 1, `there is no plugin "dice-rolle": did you mean dice-roller?`},
		outcome{[]string{"settings", "undo", "foo"}, 1, `there is no plugin "foo": there are 8ball, `},
		outcome{[]string{"settings", "history", "trivia", "--channel", "nowhere"}, 0, "nothing was changed in channel nowhere"},
		outcome{[]string{"settings", "set", "trivia", "quiet_hours", "late"}, 1, "quiet hours are written as 22:00-07:00, 10pm - 7am or 22:00-07:00 Europe/Berlin, not late"},
		outcome{[]string{"settings", "undo", "dice-roller"}, 0, "max_dice of dice-roller in all channels: not set, it was 3"},
		outcome{[]string{"settings", "undo", "dice-roller"}, 0, "max_dice of dice-roller in all channels: 3, it was not set"},
		outcome{[]string{"settings", "unset", "dice-roller", "max_dice"}, 0, "max_dice of dice-roller in all channels: not set, it was 3"},
		outcome{[]string{"settings", "unset", "dice-roller", "max_dice"}, 0, "it is so already"},
		outcome{[]string{"settings", "unset", "dice-roller", "max_dices"}, 1, "did you mean max_dice?"},
		outcome{[]string{"settings", "undo", "trivia"}, 1, "nothing was changed there"},
		outcome{[]string{"replay", "--subject", "platform.settings"}, 0, "platform.settings"},
	)
	if r := rosey(t, "", "settings", "history", "dice-roller", "--output", "json", "--store", store); strings.Count(r.stdout, "\n") != 4 {
		t.Errorf("history: %+v, want 4 changes", r)
	}
}

// S27: the settings file sets what nobody changed by hand, as by chat while the bot runs; the
// difference is logged, and neither is overwritten, also at the end. What the file no longer holds has its default again.
func TestSettingsOfPluginsInTheFile(t *testing.T) {
	streamstest.Slow(t, "restarts a bot")
	t.Parallel()
	store, file := t.TempDir(), filepath.Join(t.TempDir(), "rosey.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(first string, outcomes ...outcome) (stderr string) {
		t.Helper()
		r := rosey(t, first+"!roll 2d6\n!8ball well?\n", "run", "--local", "--store", store, "--config", file)
		if r.code != 0 || !strings.Contains(r.stdout, "🎲") || strings.Contains(r.stdout, "🎱") {
			t.Errorf("run: %+v", r)
		}
		expect(t, outcomes, "--store", store)
		return r.stderr
	}
	get := func(key, want string) outcome {
		return outcome{[]string{"settings", "get", "dice-roller", key}, 0, want + "\n"}
	}
	const first = "plugins: {8ball: false, dice-roller: {max_dice: 20, max_sides: 50}}"
	write(first)
	byChat := outcome{[]string{"settings", "get", "dice-roller", "max_dice", "--channel", "local"}, 0, "5\n"}
	run("!set dice-roller.max_dice 5\n", get("max_dice", "20"), get("max_sides", "50"), byChat,
		outcome{[]string{"settings", "set", "dice-roller", "max_dice", "7"}, 0, "7, it was 20"})
	if now, err := os.ReadFile(file); err != nil || string(now) != first {
		t.Errorf("the bot made the file %q, %v", now, err)
	}
	write("plugins: {8ball: false, dice-roller: {max_dice: 30}}")
	if said := run("", get("max_dice", "7"), get("max_sides", "10000"), byChat); !strings.Contains(said, "setting in the settings file not applied") || !strings.Contains(said, "file=30 holds=7") {
		t.Errorf("the difference is not told: %s", said)
	}
	expect(t, []outcome{{[]string{"settings", "unset", "dice-roller", "max_dice"}, 0, "not set, it was 7"}}, "--store", store)
	run("", get("max_dice", "30"))
	write("plugins: {dice-roller: {max_dice: 300}}")
	expect(t, []outcome{{[]string{"run", "--local", "--config", file}, 2, "plugins.dice-roller: max_dice must be a whole number from 1 to 100, not 300"}}, "--store", store)
	write("plugins: {dice: false}")
	expect(t, []outcome{{[]string{"run", "--local", "--config", file}, 2, `there is no shipped plugin "dice"`}}, "--store", store)
}

// A store in which no plugin ever ran says so, rather than listing none.
func TestSettingsWithoutPlugins(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	if r := rosey(t, "hello\n", "run", "--local", "--plugins", "none", "--store", store); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	const none = `there is no plugin "trivia": none has registered yet, which plugins do when the bot runs`
	expect(t, []outcome{
		{[]string{"settings", "ls", "trivia"}, 1, none},
		{[]string{"settings", "get", "trivia", "questions"}, 1, none},
		{[]string{"settings", "set", "trivia", "questions", "5"}, 1, none},
	}, "--store", store)
}
