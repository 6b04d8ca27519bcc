package cmd

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What moderators and authors look into after the fact, on a stopped bot.
func TestLookingBack(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	store, dir := t.TempDir(), t.TempDir()
	if r := rosey(t, "!roll 2d6\nalice: hello \x1b[31mred\nalice: !nonsense\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatalf("run: %+v", r)
	}
	seal := filepath.Join(dir, "a.seal")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"replay", "--since", "1h"}, 0, "🎲 Rolled 2d6"},
		{[]string{"replay", "--since", "1h", "--tree"}, 0, "─ plugin.dice-roller.command"},
		{[]string{"replay", "--summary"}, 0, "dice-roller"},
		{[]string{"replay", "--subject", "plugin.*.command", "--output", "json"}, 0, `"stream":"PLUGIN"`},
		{[]string{"replay", "--user", "nobody"}, 1, "no event matches"},
		{[]string{"replay", "--since", "nonsense"}, 2, "--since"},
		{[]string{"replay", "--since", "today 25:00"}, 2, "--since"},
		{[]string{"replay", "--subject", "nonsense.>"}, 2, "nonsense"},
		{[]string{"replay", "--correlation", "nonsense-here"}, 1, "no event matches"},
		{[]string{"replay", "--follow"}, 1, "no bot is running"},
		{[]string{"trace", "PLUGIN:1"}, 0, "cytube.send.chat"},
		{[]string{"trace", "plugin:1"}, 0, "cytube.send.chat"},
		{[]string{"trace", "PLUGIN:0"}, 2, "numbered from 1"},
		{[]string{"trace", "PLUGIN:99"}, 1, "does not hold event 99"},
		{[]string{"trace", "PLUGIN:1", "--since", "1h"}, 0, "cytube.send.chat"},
		{[]string{"trace", "PLUGIN:1", "--since", "1ms"}, 1, "no event matches"},
		{[]string{"trace", "PLUGIN:1", "--since", "nonsense"}, 2, "--since"},
		{[]string{"audit", "--since", "1h", "--user", "alice"}, 0, `hello`},
		{[]string{"audit", "--output", "csv"}, 0, "hello"},
		{[]string{"audit", "--output", "html"}, 0, "<html"},
		{[]string{"audit", "--output", "xml"}, 2, "choose text"},
		{[]string{"audit", "seal", seal}, 2, "rosey audit key"},
		{[]string{"audit", "forget", "--user", "alice", "--yes"}, 2, "rosey audit key"},
		{[]string{"audit", "key"}, 0, "="},
		{[]string{"audit", "seal", seal}, 0, "public key"},
		{[]string{"audit", "seal", seal}, 1, "exists"},
		{[]string{"audit", "verify", seal}, 0, "intact"},
		{[]string{"audit", "forget", "--user", "alice"}, 2, "--dry-run"},
		{[]string{"audit", "forget", "--user", "alice", "--dry-run"}, 0, "would erase"},
		{[]string{"audit", "forget", "--user", "operator", "--dry-run"}, 0, "event(s) that answer these stay"},
		{[]string{"audit", "forget", "--user", "alice", "--yes"}, 0, "erased"},
		{[]string{"audit", "verify", seal}, 0, "erased on request"},
		{[]string{"audit", "--user", "alice"}, 0, "eras"},
		{[]string{"dead", "ls"}, 0, "no dead letters"},
	} {
		r := rosey(t, "", append(c.args, "--store", store)...)
		if r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.says) {
			t.Errorf("rosey %s: %+v; want exit code %d and %q", strings.Join(c.args, " "), r, c.code, c.says)
		}
		if strings.Contains(r.stdout, "\x1b") {
			t.Errorf("rosey %s printed a raw escape: %q", strings.Join(c.args, " "), r.stdout)
		}
	}
}
