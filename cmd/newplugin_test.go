package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A plugin is made anywhere, by a program of the checkout; mistakes say what to do.
func TestNewPlugin(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "hi")
	r := rosey(t, "", "plugin", "new", "hello", dir, "--module", "example.com/alice/hello")
	if r.code != 0 || !strings.Contains(r.stdout, "wrote "+dir+", a module of its own") {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.Contains(string(mod), "module example.com/alice/hello\n") || !strings.Contains(string(mod), "replace "+strings.TrimSuffix(module, "/")+" => /") {
		t.Errorf("%v\n%s", err, mod)
	}
	for _, row := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"hello", dir}, 1, "exists: choose another name or folder"},
		{[]string{"trivia", dir}, 2, "trivia is a plugin of this bot already"},
		{[]string{"two words", dir}, 2, "cannot be a plugin's name"},
		{[]string{"hello", dir, "more"}, 2, "give one name, and a folder if you like"},
		{[]string{}, 2, "give one name"},
		{[]string{"hello", t.TempDir(), "--replace", t.TempDir()}, 2, "name a folder that is"},
		{[]string{"hello", dir, "--dir", "plugins"}, 2, "leave it out"},
	} {
		if r := rosey(t, "", append([]string{"plugin", "new"}, row.args...)...); r.code != row.code || !strings.Contains(r.stderr, row.says) {
			t.Errorf("%q: exit code %d, %s; want %d, %s", row.args, r.code, r.stderr, row.code, row.says)
		}
	}
}
