package cmd

import (
	"strings"
	"testing"
)

func TestBenchMoved(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"bench"}, {"bench", "--quick", "--output", "json"}} {
		r := rosey(t, "", args...)
		if r.code != exitUsage || r.stdout != "" || !strings.Contains(r.stderr, "rosey bench moved to rosey-bench: make bench\n") {
			t.Errorf("rosey %q: exit code %d, output %q, error %q", args, r.code, r.stdout, r.stderr)
		}
	}
}
