package cmd

import (
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"
)

// JSON is for programs other than browsers.
func TestJSONKeepsText(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	c := cli.NewContext(&cli.App{Writer: &out}, nil, nil)
	if err := encode(c, map[string]string{"text": "1 < 2 & 3"}); err != nil || out.String() != `{"text":"1 < 2 & 3"}`+"\n" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
}

// What a plugin registers or puts into a dead letter does not reach the terminal raw.
func TestTableIsSafe(t *testing.T) {
	t.Parallel()
	rows := []table.Row{{"x\x1b[2J", "1\u202e\u009b0", 7}}
	got := tableOf(rows, table.Row{"plugin", "version", "n"}, func(r table.Row) table.Row { return r })
	if strings.ContainsAny(got, "\x1b\u202e\u009b") || !strings.Contains(got, `x\x1b[2J`) || !strings.Contains(got, `1\u202e\u009b0`) {
		t.Errorf("printed %q", got)
	}
}
