package scaffold

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A new module outside of the checkout is vetted, passes its test, builds, and answers.
func TestModule(t *testing.T) {
	streamstest.Slow(t, "compiles another module")
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "greeter-bot")
	r, err := Require(".", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	next, err := WriteModule(t.Context(), dir, "greeter", "example.com/alice/rosey-greeter", r)
	if err != nil || strings.Contains(next, "not resolved") {
		t.Fatalf("%v\n%s", err, next)
	}
	run := func(stdin, name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Stdin, cmd.Env = dir, strings.NewReader(stdin), append(os.Environ(), "GOFLAGS=-trimpath -buildvcs=false", "GOWORK=off", "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	if unformatted := run("", "gofmt", "-l", "."); unformatted != "" {
		t.Errorf("not formatted: %s", unformatted)
	}
	run("", "go", "build", "-o", "bin/rosey", "./cmd/rosey")
	run("", "go", "vet", "./...")
	if tested := run("", "go", "test", "-v", "-vet=off", "."); !strings.Contains(tested, "--- PASS: TestGreet") {
		t.Errorf("its test did not pass:\n%s", tested)
	}
	if said := run("!greeter\n", filepath.Join(dir, "bin", "rosey"), "run", "--local", "--store", ".rosey"); !strings.Contains(said, "rosey: 👋 Hello, operator! (1)") {
		t.Errorf("it said\n%s", said)
	}
}

// A module changes no file that is there, and its path must be one.
func TestModuleTouchesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteModule(t.Context(), dir, "greeter", "", Requirement{Version: "v1.0.0"}); err == nil || !strings.Contains(err.Error(), "exists: choose another name or folder") {
		t.Error(err)
	}
	for _, path := range []string{"two words", "/greeter", "a//b", roseyModule, "https://github.com/alice/greeter"} {
		if _, err := WriteModule(t.Context(), dir, "greeter", path, Requirement{Version: "v1.0.0"}); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("path %q: %v; want INVALID_INPUT", path, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	checkout, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	here, elsewhere := Requirement{"v0.0.0", checkout}, t.TempDir()
	of := func(m *debug.Module) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Path: "example.org/own-bot"}, Deps: []*debug.Module{m}}
	}
	for name, row := range map[string]struct {
		replace, version string
		build            *debug.BuildInfo
		at               []string
		want             Requirement
		fails            string
	}{
		"named":                        {replace: "templates", version: "v1.2.3", at: []string{elsewhere}, want: here},
		"named, no checkout":           {replace: elsewhere, version: "v1.2.3", fails: "is not in a checkout of"},
		"run in a checkout":            {version: "v1.2.3", at: []string{elsewhere, "templates"}, want: here},
		"release":                      {version: "v1.2.3", at: []string{elsewhere}, want: Requirement{Version: "v1.2.3"}},
		"release candidate":            {version: "v1.2.3-rc.1", want: Requirement{Version: "v1.2.3-rc.1"}},
		"commits after a release":      {version: "v1.1.0-3-gb0a8708", fails: "--replace DIR"},
		"changed checkout":             {version: "v1.1.1-0.20260101000000-b0a8708d0000+dirty", fails: "--replace DIR"},
		"development":                  {version: "1.0.0-dev", fails: "--replace DIR"},
		"own bot of a release":         {version: "v9.9.9", build: of(&debug.Module{Path: roseyModule, Version: "v1.2.3"}), want: Requirement{Version: "v1.2.3"}},
		"own bot of a checkout":        {version: "v9.9.9", build: of(&debug.Module{Path: roseyModule, Version: "v0.0.0", Replace: &debug.Module{Path: checkout}}), want: here},
		"own bot of a relative folder": {version: "v9.9.9", build: of(&debug.Module{Path: roseyModule, Version: "v0.0.0", Replace: &debug.Module{Path: "../.."}}), fails: "--replace DIR"},
	} {
		got, err := Require(row.replace, row.version, row.build, row.at...)
		if got != row.want || (err != nil) != (row.fails != "") || err != nil && !strings.Contains(err.Error(), row.fails) {
			t.Errorf("%s: %+v, %v; want %+v %s", name, got, err, row.want, row.fails)
		}
	}
}

// What modules ask for is what the checkout does.
func TestGoVersion(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../../go.mod")
	if err != nil || !strings.Contains(string(mod), "\ngo "+goVersion+"\n") {
		t.Errorf("go.mod does not say go %s: %v", goVersion, err)
	}
}
