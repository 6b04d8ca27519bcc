package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file of settings that says nothing leaves every default as it is.
func TestSettingsThatSayNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":       "",
		"commented":   "# user: rosey\n#prefix: '?'\n",
		"only a mark": "---\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			r := rosey(t, "!roll 2d6\n", "run", "--local", "--config", file, "--store", filepath.Join(t.TempDir(), "store"))
			if r.code != 0 || !strings.Contains(r.stdout, "rosey: 🎲 Rolled 2d6") {
				t.Errorf("exit code %d, %s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
}
