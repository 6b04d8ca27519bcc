package settings

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/settings.md tells of every key of the file and of no other, and of every
// flag that is a setting's.
func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := Keys()
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
	for flag := range new(Settings).Flags() {
		if !strings.Contains(string(text), "| `--"+flag+"`") {
			t.Errorf("docs/settings.md does not have --%s", flag)
		}
	}
}
