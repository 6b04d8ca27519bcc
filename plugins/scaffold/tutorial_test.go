package scaffold

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// step is a block of the tutorial that says which file it makes or changes.
var step = regexp.MustCompile("(?s)<!-- (file|change): plugins/(\\S+) -->\n```\\w+\n(.*?)```")

// What is written compiles, is vetted, and its test passes; and so it is after
// the tutorial in docs/plugins.md.
func TestTutorial(t *testing.T) {
	streamstest.Slow(t, "builds programs")
	t.Parallel()
	doc, err := os.ReadFile("../../docs/plugins.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := workshop(t)
	if _, err := Write(dir, "greeter"); err != nil {
		t.Fatal(err)
	}
	steps := step.FindAllStringSubmatch(string(doc), -1)
	if len(steps) != 4 {
		t.Fatalf("the tutorial has %d steps with code, want 4", len(steps))
	}
	for _, s := range steps {
		path := filepath.Join(dir, filepath.FromSlash(s[2]))
		content := s[3]
		if s[1] == "change" {
			content = apply(t, path, content)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := append(append([]string{"test", "-v", "-vet=all"}, buildFlags()...), "./"+filepath.ToSlash(dir)+"/...")
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	for _, test := range []string{"TestGreet", "TestCount", "TestRemind"} {
		if err != nil || !strings.Contains(string(out), "--- PASS: "+test) {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// buildFlags are those of this test, so that what was built for it is not built again.
func buildFlags() (flags []string) {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if (s.Key == "-race" || s.Key == "-trimpath") && s.Value == "true" {
			flags = append(flags, s.Key)
		}
	}
	return flags
}

// apply makes the change of a diff to a file.
func apply(t *testing.T, path, diff string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var before, after strings.Builder
	for line := range strings.Lines(diff) {
		switch line[0] {
		case '-':
			before.WriteString(line[1:])
		case '+':
			after.WriteString(line[1:])
		}
	}
	if strings.Count(string(content), before.String()) != 1 {
		t.Fatalf("%s has no place for the change:\n%s", path, diff)
	}
	return strings.Replace(string(content), before.String(), after.String(), 1)
}
