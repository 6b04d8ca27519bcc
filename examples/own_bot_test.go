package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// own-bot builds outside of the main module, with its go.mod as it is, passes its test, and answers with its own
// plugin as with the shipped ones.
func TestOwnBot(t *testing.T) {
	streamstest.Slow(t, "compiles another module")
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "own-bot")
	run(t, "", "go", "-C", "own-bot", "build", "-trimpath", "-ldflags=-s -w", "-o", program, ".")
	run(t, "", "go", "-C", "own-bot", "test", "-trimpath", "-ldflags=-s -w", "-vet=off", ".") // to vet it would read all that it imports
	store := filepath.Join(dir, "store")
	said := run(t, "!hello\n!roll 1d6\n", program, "run", "--local", "--store", store)
	for _, want := range []string{"rosey: Hello, operator!", "rosey: 🎲 Rolled d6"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	if list := run(t, "", program, "plugin", "ls", "--store", store); !strings.Contains(list, "greeter") {
		t.Errorf("plugin ls does not list greeter:\n%s", list)
	}
	if same := run(t, "", program, "replay", "--since", "1h", "--into", "greeter", "--store", store); !strings.Contains(same, "1 same") {
		t.Errorf("a dry run of greeter differs:\n%s", same)
	}
}

// run runs a program to its success and returns what it printed.
func run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build has it: what that compiled is compiled
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
