package cmd

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What an unset variable of the shell leaves of an argument is a mistake, and not
// taken for something else that could be meant.
func TestEmptyArguments(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	if r := rosey(t, "hi\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatalf("run: %+v", r)
	}
	mistakes(t, []mistake{
		{[]string{"send", "--pm", "", "secret"}, "--pm is empty"},
		{[]string{"send", "--channel", "", "hi"}, "--channel is empty"},
		{[]string{"replay", "--subject", ""}, "--subject is empty"},
		{[]string{"audit", "forget", "--user", "bob", "--channel", "", "--yes"}, "--channel is empty"},
		{[]string{"audit", "forget", "--user", "bob", "--since=", "--yes"}, "--since is empty"},
		{[]string{"db", "set", "quotes", "", "{}"}, "no COLLECTION [ID] JSON can be"},
		{[]string{"db", "get", "quotes", ""}, "no COLLECTION ID can be"},
		{[]string{"db", "delete", "quotes", ""}, "no COLLECTION ID can be"},
		{[]string{"db", "history", "", "1"}, "no COLLECTION ID can be"},
		{[]string{"backup", ""}, "give one directory"},
		{[]string{"plugin", "pause", ""}, "give one plugin"},
	}, "--store", store)
}

func TestNoArguments(t *testing.T) {
	t.Parallel()
	var list []mistake
	for _, line := range []string{"run x", "doctor x", "replay x", "plugin ls x", "status x", "dead ls x", "db ls x", "version x", "man x", "console hash x"} {
		list = append(list, mistake{strings.Fields(line), "takes no arguments, but got \"x\""})
	}
	list = append(list, mistake{[]string{"audit", "forget", "bob"}, "rosey audit forget --user bob"})
	mistakes(t, list)
}

// mistake is a command line that is none, and what the program says of it.
type mistake struct {
	args []string
	says string
}

// mistakes has the program refuse command lines, all of them with further flags.
func mistakes(t *testing.T, list []mistake, flags ...string) {
	t.Helper()
	lines := make([][]string, len(list))
	for i, m := range list {
		lines[i] = slices.Concat(flags, m.args)
	}
	for i, r := range roseyAll(t, lines) {
		if r.code != exitUsage || !strings.Contains(r.stderr, list[i].says) {
			t.Errorf("rosey %s: %+v; want %q", strings.Join(lines[i], " "), r, list[i].says)
		}
	}
}
