package scaffold

import (
	"errors"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// workshop is a folder in the module, where a scaffolded plugin compiles, that
// the go command passes over otherwise.
func workshop(t *testing.T) string {
	t.Helper()
	dir, err := "", fs.ErrNotExist
	for errors.Is(err, fs.ErrNotExist) { // another test may remove it in between
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		dir, err = os.MkdirTemp("testdata", "plugins-")
	}
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

// What is written is formatted, and speaks of the plugin by its name; that it
// compiles and that its test passes is seen in TestTutorial.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := workshop(t)
	for name, folder := range map[string]string{"hello-world": "helloworld", "8Bit_type": "p8bittype"} {
		next, err := Write(dir, name)
		if err != nil || !strings.Contains(next, folder+".New(),") || !strings.Contains(next, `"`+roseyModule+"/plugins/scaffold/"+filepath.ToSlash(dir)+"/"+folder+`"`) {
			t.Fatalf("next: %v\n%s", err, next)
		}
		for file, says := range map[string]string{
			folder + ".go": "package " + folder + "\n", folder + "_test.go": "plugin." + name + ".event.greeted", "EVENTS.md": "plugin." + name + ".event.greeted",
		} {
			content, err := os.ReadFile(filepath.Join(dir, folder, file))
			if err != nil || !strings.Contains(string(content), says) {
				t.Errorf("%s: %v\n%s\nwant it to say %q", file, err, content, says)
			}
			if formatted, err := format.Source(content); strings.HasSuffix(file, ".go") && (err != nil || string(formatted) != string(content)) {
				t.Errorf("%s is not formatted: %v", file, err)
			}
		}
	}
}

func TestWriteTouchesNothing(t *testing.T) {
	t.Parallel()
	dir := workshop(t)
	folder := filepath.Join(dir, "greeter")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, "greeter"); err == nil || !strings.Contains(err.Error(), "exists: choose another name") {
		t.Error(err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
	outside := t.TempDir()
	if _, err := Write(outside, "greeter"); err == nil || !strings.Contains(err.Error(), "is not in a checkout of") {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "go.mod"), []byte("module example.com/other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(filepath.Join(outside, "plugins"), "greeter"); err == nil || !strings.Contains(err.Error(), "is not in a checkout of") {
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
