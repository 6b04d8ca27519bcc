package cmd

import (
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/table"
)

// What a plugin registers or puts into a dead letter does not reach the terminal raw.
func TestTableIsSafe(t *testing.T) {
	t.Parallel()
	rows := []table.Row{{"x\x1b[2J", "1\u202e\u009b0", 7}}
	got := tableOf(rows, table.Row{"plugin", "version", "n"}, func(r table.Row) table.Row { return r })
	if strings.ContainsAny(got, "\x1b\u202e\u009b") || !strings.Contains(got, `x\x1b[2J`) || !strings.Contains(got, `1\u202e\u009b0`) {
		t.Errorf("printed %q", got)
	}
}
