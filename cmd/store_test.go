package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A directory that is no store is not made one by looking at it.
func TestReadingMakesNoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lines := [][]string{
		{"replay", "--since", "1h"}, {"trace", "PLUGIN:1"}, {"audit"}, {"status"}, {"db", "ls"}, {"dead", "ls"}, {"plugin", "ls"},
		{"backup", filepath.Join(t.TempDir(), "backup")},
	}
	for i := range lines {
		lines[i] = append(lines[i], "--store", dir)
	}
	for i, r := range roseyAll(t, lines) {
		if r.code != exitFailed || !strings.Contains(r.stderr, "there is no store at "+dir) {
			t.Errorf("rosey %s: %+v", strings.Join(lines[i], " "), r)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v was left there, %v", left, err)
	}
}
