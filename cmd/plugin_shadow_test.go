package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A new version runs beside the live one on the same events, with the same chance and
// records; nothing that it says or writes leaves its sandbox, and differences are shown.
func TestPluginShadow(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	store := t.TempDir()
	bot := start(t, "run", "--local", "--store", store)
	bot.say("!quote add before")
	bot.expect("^rosey: 📖 Added quote #1")
	shadow := func(lines []string, plugin, events string, env ...string) *process {
		t.Helper()
		args := append([]string{"plugin", "shadow", plugin, "--store", store, "--events", events, "--env", "ROSEY_TEST_MAIN=1"}, env...)
		p := start(t, append(append(args, "--"), program(t.Context(), t, "plugin", "run", plugin).Args...)...)
		if err := until(streamstest.Context(t), func() bool { return strings.Contains(p.stderr.String(), "gets the events of "+plugin) }); err != nil {
			t.Fatalf("the new version does not run: %s", p.stderr.String())
		}
		for _, line := range lines {
			bot.say(line)
			bot.expect("^rosey: ")
		}
		return p
	}
	rolls := shadow([]string{"!roll 9d20", "!roll banana", "!roll 9d20"}, "dice-roller", "3")
	rolls.expect(`^3 event\(s\): 3 same$`)
	quotes := shadow([]string{"!quote add after", "!quote 2", "!quote count"}, "quote-db", "3")
	quotes.expect(`^    same           database\.set `)
	quotes.expect(`^    same           📖 2 quotes`)
	quotes.expect(`^3 event\(s\): 3 same$`)
	// It alone reads of films, from the first event.
	seen := shadow(nil, "seen", "1")
	if r := rosey(t, "", "channel", "queue", "https://youtu.be/abcdefg0200", "--store", store); r.code != 0 {
		t.Fatal(r.stderr)
	}
	seen.expect(`^1 event\(s\): 1 same$`)
	pack := filepath.Join(t.TempDir(), "pack.json")
	if err := os.WriteFile(pack, []byte(`{"name":"new","questions":[{"category":"opera","difficulty":"easy","question":"Who wrote Carmen?","answers":["Bizet"]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	// It reads the channel's lines, too: what is typed and what it answers.
	trivia := shadow([]string{"!trivia categories", "!trivia hint", "!trivia categories"}, "trivia", "9", "--env", "ROSEY_TRIVIA_PACKS="+filepath.Dir(pack))
	trivia.expect(`^    changed   said `)
	trivia.expect(`^              now .*opera`)
	trivia.expect(`^9 event\(s\): 7 same, 2 changed$`)
	if err := trivia.wait(); trivia.cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("with differences it ended with %v", err)
	}
	if r := rosey(t, "", "db", "query", "quotes", "--store", store, "--output", "json"); strings.Count(r.stdout, `"text"`) != 2 {
		t.Errorf("the live database has\n%s%s", r.stdout, r.stderr)
	}
	if r := rosey(t, "", "replay", "--store", store, "--subject", "cytube.send.chat", "--output", "json"); strings.Count(r.stdout, "\n") != 10 {
		t.Errorf("the live streams have %d answers, want 10:\n%s", strings.Count(r.stdout, "\n"), r.stdout)
	}
}

func TestPluginShadowMistakes(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	bot := start(t, "run", "--local", "--store", store)
	bot.say("!roll d6")
	bot.expect("^rosey: ")
	for want, args := range map[string][]string{
		"give a plugin and a program": {},
		"give the plugin's program":   {"trivia"},
		"there is no plugin nobody":   {"nobody", "--", "true"},
		"does not read its commands":  {"trivia", "--", "true"},
	} {
		if r := rosey(t, "", append([]string{"plugin", "shadow", "--store", store}, args...)...); r.code == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: exit code %d, %s; want %s", args, r.code, r.stderr, want)
		}
	}
}
