package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// The plugins' code on what was said to them: unchanged it says the same, from
// the store and from a file, and a difference is shown and is exit code 1.
func TestDryRun(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	dir := t.TempDir()
	store, file := filepath.Join(dir, "store"), filepath.Join(dir, "case.jsonl")
	if r := rosey(t, "!roll 2d6\nalice: !roll 3d20\n!roll nonsense\n!8ball well?\n!inspect\n!inspect nonsense\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	before := replayed(t, store)
	r := rosey(t, "", "replay", "--since", "1h", "--into", "dice-roller", "--save", file, "--store", store)
	if r.code != 0 || !strings.Contains(r.stdout, "alice: !roll 3d20\n    same           🎲 Rolled 3d20") || !strings.HasSuffix(r.stdout, "\n3 event(s): 3 same\n") {
		t.Errorf("dry run: %+v", r)
	}
	r = rosey(t, "", "replay", "--since", "1h", "--user", "alice", "--into", "dice-roller", "--output", "json", "--store", store)
	if r.code != 0 || strings.Count(r.stdout, "\n") != 2 || !strings.Contains(r.stdout, `"status":"same"`) ||
		!strings.Contains(r.stdout, `{"summary":{"changed":0,"events":1,"missing":0,"new":0,"same":1}}`) {
		t.Errorf("as JSON: %+v", r)
	}
	if after := replayed(t, store); after != before {
		t.Errorf("the store is not what it was:\n%s\n%s", before, after)
	}
	if r := rosey(t, "", "replay", "--case", file, "--into", "dice-roller"); r.code != 0 || !strings.HasSuffix(r.stdout, "\n3 event(s): 3 same\n") {
		t.Errorf("from a file: %+v", r)
	}
	// What a plugin says of the bot's streams of today proves nothing.
	r = rosey(t, "", "replay", "--since", "1h", "--into", "inspector", "--store", store)
	if r.code != 0 || !strings.Contains(r.stdout, "!inspect\n    excluded  the plugin looks at the bot's streams") || !strings.HasSuffix(r.stdout, "\n2 event(s): 1 same, 1 excluded\n") {
		t.Errorf("of a plugin that looks at the bot: %+v", r)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "Rolled 3d20", "I rolled 3d20", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r = rosey(t, "", "replay", "--case", file, "--into", "dice-roller", "--save", file)
	if r.code != 1 || !strings.Contains(r.stdout, "changed   said 🎲 I rolled 3d20") || !strings.Contains(r.stdout, "now  🎲 Rolled 3d20") ||
		!strings.HasSuffix(r.stdout, "\n3 event(s): 2 same, 1 changed\n") {
		t.Errorf("a difference: %+v", r)
	}
	if r := rosey(t, "", "replay", "--case", file, "--into", "dice-roller"); r.code != 0 {
		t.Errorf("what was accepted: %+v", r)
	}
}

func TestDryRunMistakes(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs dozens of commands")
	dir := t.TempDir()
	store, file := filepath.Join(dir, "store"), filepath.Join(dir, "case.jsonl")
	if r := rosey(t, "hello\n!roll 1d6\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	if r := rosey(t, "", "replay", "--into", "dice-roller", "--save", file, "--store", store); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	broken := filepath.Join(dir, "broken.jsonl")
	if err := os.WriteFile(broken, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--save", file}, 2, "a dry run needs a plugin: add --into NAME, one of"},
		{[]string{"--case", file}, 2, "a dry run needs a plugin"},
		{[]string{"--into", "nonsense"}, 2, `no shipped plugin "nonsense"`},
		{[]string{"--into", "dice-roller", "--tree"}, 2, "--tree and --into do not go together"},
		{[]string{"--into", "dice-roller", "--case", file, "--since", "1h"}, 2, "a case has its own events"},
		{[]string{"--into", "dice-roller", "--case", filepath.Join(dir, "none")}, 2, "no such file"},
		{[]string{"--into", "dice-roller", "--case", broken}, 2, "line 1 of the case"},
		{[]string{"--into", "8ball", "--case", file}, 2, "of plugin dice-roller, not of 8ball"},
		{[]string{"--into", "dice-roller", "--until", "1970-01-02"}, 1, "no event matches that dice-roller handles"},
		{[]string{"--into", "dice-roller", "--save", filepath.Join(dir, "none", "x")}, 2, "--save"},
		{[]string{"--into", "dice-roller", "again"}, 2, "takes no arguments"},
	} {
		r := rosey(t, "", append(append([]string{"replay"}, c.args...), "--store", store)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.says) {
			t.Errorf("rosey replay %s: %+v; want %d and %q", strings.Join(c.args, " "), r, c.code, c.says)
		}
	}
}
