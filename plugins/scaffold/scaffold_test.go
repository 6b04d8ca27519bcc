package scaffold

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// workshop is a folder in the module, where a scaffolded plugin compiles, that
// the go command passes over otherwise.
func workshop(t *testing.T) string {
	t.Helper()
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("testdata", "plugins-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		_ = os.Remove("testdata") // unless another test is at work in it
	})
	return dir
}

// What is written compiles, is vetted and formatted, and its test passes.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := workshop(t)
	for _, name := range []string{"hello-world", "8Bit_type"} {
		if err := Write(dir, name); err != nil {
			t.Fatal(err)
		}
	}
	all := "./" + filepath.ToSlash(dir) + "/..."
	for _, args := range [][]string{{"vet", all}, append([]string{"test"}, append(testFlags, all)...)} {
		out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		if args[0] == "test" && strings.Count(string(out), "ok  \t") != 2 {
			t.Errorf("go %s ran\n%s", strings.Join(args, " "), out)
		}
	}
	out, err := exec.CommandContext(t.Context(), "gofmt", "-l", dir).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("gofmt: %v %s", err, out)
	}
	events, err := os.ReadFile(filepath.Join(dir, "helloworld", "EVENTS.md"))
	if err != nil || !strings.Contains(string(events), "plugin.hello-world.event.greeted") {
		t.Errorf("EVENTS.md: %v\n%s", err, events)
	}
	next, err := Next(dir, "hello-world")
	if err != nil || !strings.Contains(next, "helloworld.New(),") || !strings.Contains(next, `"`+Module+"/plugins/scaffold/"+filepath.ToSlash(dir)+`/helloworld"`) {
		t.Errorf("next: %v\n%s", err, next)
	}
}

func TestWriteTouchesNothing(t *testing.T) {
	t.Parallel()
	dir := workshop(t)
	folder := filepath.Join(dir, "greeter")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, "greeter"); err == nil || !strings.Contains(err.Error(), "exists: choose another name") {
		t.Error(err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
	outside := t.TempDir()
	if err := Write(outside, "greeter"); err == nil || !strings.Contains(err.Error(), "is not in a checkout of") {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "go.mod"), []byte("module example.com/other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(outside, "plugins"), "greeter"); err == nil || !strings.Contains(err.Error(), "is not in a checkout of") {
		t.Error(err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Plugin{
		"greeter":     {"greeter", "greeter", "greeter"},
		"dice-Roller": {"dice-Roller", "diceroller", "dice-roller"},
		"8ball":       {"8ball", "p8ball", "8ball"},
		"go":          {"go", "goplugin", "go"},
		"test-data":   {"test-data", "testdataplugin", "test-data"},
		"_x_":         {"_x_", "x", "_x_"},
	} {
		if got, err := New(name); err != nil || got != want {
			t.Errorf("%s is %+v, %v; want %+v", name, got, err, want)
		}
	}
	for _, name := range []string{"", "two words", "naïve", "../evil", "a.b", strings.Repeat("x", 65), "42", "--"} {
		if got, err := New(name); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("%q is %+v, %v; want INVALID_INPUT", name, got, err)
		}
	}
}
