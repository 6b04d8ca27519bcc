package cmd

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
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

// docs/settings.md tells of every key of the file and of no other, and of every
// flag that is a setting's.
func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := keys(reflect.TypeFor[config](), "")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, row[1])
		if !slices.Contains(want, row[1]) {
			t.Errorf("%s is no setting", row[1])
		}
	}
	for _, key := range want {
		if !slices.Contains(documented, key) {
			t.Errorf("docs/settings.md does not have %s", key)
		}
	}
	for flag := range new(config).settings() {
		if !strings.Contains(string(text), "| `--"+flag+"`") {
			t.Errorf("docs/settings.md does not have --%s", flag)
		}
	}
}
