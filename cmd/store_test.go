package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

func TestReadOnlyStore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		says bool
	}{{&os.PathError{Op: "open", Path: "holder", Err: syscall.EROFS}, true}, {os.ErrPermission, false}} {
		err := readOnly(fmt.Errorf("note who holds the store: %w", c.err))
		if strings.Contains(err.Error(), "copy the store") != c.says || !errors.Is(err, c.err) {
			t.Errorf("%v", err)
		}
	}
}
