package cmd

import (
	"os"
	"testing"
)

// After a kill the commands that read the store say nothing on stderr: the server makes
// anew what it had not written, and nothing is missing.
func TestReadingAfterAKill(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	p := start(t, "run", "--local", "--store", store)
	p.say("!quote add hello")
	p.expect("^rosey: 📖")
	waitStored(t, store, "hello")
	p.kill()
	for _, args := range [][]string{{"replay"}, {"audit"}, {"db", "ls"}} {
		copied := copyOf(t, store) // as it was killed
		if r := rosey(t, "", append(args, "--store", copied)...); r.code != 0 || r.stderr != "" {
			t.Errorf("%v: exit code %d, and on stderr\n%s", args, r.code, r.stderr)
		}
	}
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return copied
}
