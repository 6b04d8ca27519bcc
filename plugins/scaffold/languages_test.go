package scaffold_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/scaffold"
)

// A plugin in each other language is one that its interpreter reads, with a manifest that names its
// file, and nothing of a template left.
func TestWriteProgram(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for lang, check := range map[string][]string{
		"node": {"node", "--check", "dice-roller.js"}, "python": {"python3", "-m", "py_compile", "dice-roller.py"},
	} {
		dir := filepath.Join(t.TempDir(), "new")
		next, err := scaffold.WriteProgram(dir, "Dice-Roller", lang, scaffold.Requirement{Version: "v0.0.0", Replace: root})
		if err != nil || !strings.Contains(next, "make setup check") {
			t.Fatalf("%s: %q, %v", lang, next, err)
		}
		file := check[len(check)-1]
		for _, name := range []string{file, "Makefile", "README.md", "EVENTS.md", ".gitignore", "rosey-plugin.yaml"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || strings.ContainsAny(string(text), "«»") || strings.Contains(string(text), "%s") {
				t.Errorf("%s: %s: %v\n%s", lang, name, err, text)
			}
		}
		text, err := os.ReadFile(filepath.Join(dir, "rosey-plugin.yaml"))
		var manifest struct {
			Name, Run    string
			Capabilities []string
		}
		if err == nil {
			err = yaml.Unmarshal(text, &manifest)
		}
		if err != nil || manifest.Name != "Dice-Roller" || !strings.HasSuffix(manifest.Run, " "+file) || !slices.Contains(manifest.Capabilities, event.CapabilityChat) {
			t.Errorf("%s: %+v, %v", lang, manifest, err)
		}
		if program, err := exec.LookPath(check[0]); err == nil {
			cmd := exec.CommandContext(t.Context(), program, check[1:]...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", lang, err, out)
			}
		}
		if _, err := scaffold.WriteProgram(dir, "Dice-Roller", lang, scaffold.Requirement{}); err == nil || !strings.Contains(err.Error(), "exists") {
			t.Errorf("%s: written over: %v", lang, err)
		}
	}
	for _, bad := range [][2]string{{"x", "rust"}, {"a b", "node"}, {"x", ""}} {
		if _, err := scaffold.WriteProgram(t.TempDir(), bad[0], bad[1], scaffold.Requirement{}); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
