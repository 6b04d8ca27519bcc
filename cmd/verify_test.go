package cmd

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A shipped plugin as a program of its own keeps the contract, whatever happens to it.
func TestVerifyPlugin(t *testing.T) {
	streamstest.Slow(t, "kills and restarts processes")
	t.Parallel()
	args := append([]string{"plugin", "verify", "--log-level", "info", "--env", "ROSEY_TEST_MAIN=1", "--say", "!roll 2d6", "--"}, program(t.Context(), t, "plugin", "run", "dice-roller").Args...)
	r := rosey(t, "", args...)
	if r.code != 0 || strings.Count(r.stdout, "passed   ") != 13 {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	// A break while it reads its settings costs it no attempt.
	if strings.Contains(r.stderr, "exceeded its time limit") {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}
}

func TestVerifyMistakes(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"give the plugin's program":         {},
		"there is no program no-such-thing": {"--", "no-such-thing"},
		"write a command with its prefix":   {"--say", "greet", "--", "true"},
		"write NAME=VALUE":                  {"--env", "HOME", "--", "true"},
	} {
		if r := rosey(t, "", append([]string{"plugin", "verify"}, args...)...); r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: exit code %d, %s; want %s", args, r.code, r.stderr, want)
		}
	}
	if r := rosey(t, "", "plugin", "verify", "--output", "json", "--limit", "20s", "--", "false"); r.code != 1 || !strings.Contains(r.stdout, `"check":"registers","result":"failed"`) {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
