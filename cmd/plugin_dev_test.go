package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// While somebody works on a plugin it is built and restarted at each change; what does not
// compile is shown, the last that did goes on, and what it stored stays.
func TestPluginDev(t *testing.T) {
	streamstest.Slow(t, "compiles another module")
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "hello")
	if r := rosey(t, "", "plugin", "new", "hello", dir); r.code != 0 {
		t.Fatal(r.stderr)
	}
	change := func(oldnew ...string) {
		t.Helper()
		source := filepath.Join(dir, "hello.go")
		text, err := os.ReadFile(source)
		changed := strings.NewReplacer(oldnew...).Replace(string(text))
		if err != nil || changed == string(text) {
			t.Fatalf("%v: nothing to change in\n%s", err, text)
		}
		if err := os.WriteFile(source, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := startWith(t, builtAsHere(t, dir), "plugin", "dev", dir)
	notice := func(text string) {
		t.Helper()
		if err := until(streamstest.Context(t), func() bool { return strings.Contains(p.stderr.String(), text) }); err != nil {
			t.Fatalf("no notice %q in\n%s", text, p.stderr.String())
		}
	}
	p.say("!hello")
	p.expect(`^rosey: 👋 Hello, operator! \(1\)`)
	change("return c.DB(", "retrun c.DB(")
	notice("not built: the last one that could be built goes on")
	p.say("!hello")
	p.expect(`^rosey: 👋 Hello, operator! \(2\)`)
	change("retrun c.DB(", "return c.DB(", "Hello, %s", "Good evening, %s")
	notice("restarted, ")
	p.say("!hello")
	p.expect(`^rosey: 👋 Good evening, operator! \(3\)`)
	if err := p.stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := p.wait(); err != nil {
		t.Errorf("%v\n%s", err, p.stderr.String())
	}
}

// builtAsHere returns the variables with which a module of a plugin uses what make build has compiled: in
// a workspace with the checkout, whose packages a module outside would compile for itself. It is linked without
// what debuggers read.
func builtAsHere(t *testing.T, dir string) []string {
	t.Helper()
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	workspace := filepath.Join(t.TempDir(), "go.work")
	err = os.WriteFile(workspace, fmt.Appendf(nil, "go %s\n\nuse (\n\t%q\n\t%q\n)\n", strings.TrimPrefix(runtime.Version(), "go"), dir, checkout), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"GOFLAGS=-trimpath -buildvcs=false -ldflags=-w", "GOWORK=" + workspace, "CGO_ENABLED=0"}
}

func TestPluginDevMistakes(t *testing.T) {
	t.Parallel()
	if r := rosey(t, "", "plugin", "dev", t.TempDir()); r.code != 2 || !strings.Contains(r.stderr, "there is no go.mod in") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
}

// plugin ls --built-in shows the plugins that a program was built with, without a bot.
func TestBuiltInPlugins(t *testing.T) {
	t.Parallel()
	r := rosey(t, "", "plugin", "ls", "--built-in", "--output", "json")
	if r.code != 0 || !strings.Contains(r.stdout, `"name":"trivia","version":"1.0.0","package":"github.com/rosey-bot/rosey/plugins/trivia"`) {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
