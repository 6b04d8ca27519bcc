package cmd

import (
	"strings"
	"testing"
)

// What a plugin registers or puts into a dead letter does not reach the terminal raw.
func TestSafeRow(t *testing.T) {
	t.Parallel()
	tab := newTable("plugin", "version")
	tab.AppendRow(safeRow("x\x1b[2J", "1\u202e\u009b0", 7))
	if got := tab.Render(); strings.ContainsAny(got, "\x1b\u202e\u009b") || !strings.Contains(got, `x\x1b[2J`) || !strings.Contains(got, `1\u202e\u009b0`) {
		t.Errorf("printed %q", got)
	}
}

func TestPrintableStack(t *testing.T) {
	t.Parallel()
	if got := printableStack("main.f(\x1b[2J)\n\t/src/f.go:7\r\n"); got != "main.f(\\x1b[2J)\n    /src/f.go:7\\x0d" {
		t.Errorf("printed %q", got)
	}
}
