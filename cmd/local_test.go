package cmd

import (
	"strings"
	"testing"
)

// A line that is too long to be said is named, and those behind it are said.
func TestLocalRoomSkipsALineThatIsTooLong(t *testing.T) {
	t.Parallel()
	r := rosey(t, strings.Repeat("x", (1<<20)+1)+"\n!roll 2d6\n", "run", "--local", "--store", t.TempDir())
	if r.code != 0 || !strings.Contains(r.stdout, "Rolled 2d6") || !strings.Contains(r.stderr, "not said: a line of 1048578 bytes") {
		t.Errorf("exit code %d\n%.500s\n%.2000s", r.code, r.stdout, r.stderr)
	}
}
