package settings

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Without a home nothing is looked for in the working directory.
func TestNoHome(t *testing.T) {
	for _, variable := range []string{"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"} {
		t.Setenv(variable, "")
	}
	if file, store := DefaultFile(), DefaultStore(); file != "" || store != "" {
		t.Errorf("the file is %q and the store %q", file, store)
	}
	s := Default()
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "HOME is not set") {
		t.Errorf("without a store: %v", err)
	}
}

// Users of the console stand in a file with a line each.
func TestUsersFile(t *testing.T) {
	t.Parallel()
	hash := "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBmb3IgYSB0ZXN0$I+BUyj3rm1lz55VDLtwkf5E9W41WNIo53Ny4cX+S8IY"
	for text, want := range map[string]string{
		"# who may\n\nalice operator " + hash + "\nbob viewer " + hash: "",
		"alice operator":                            "line 1",
		"\nalice admin " + hash:                     "line 2",
		"alice operator secret":                     "line 1",
		"al viewer " + hash + "\nal viewer " + hash: "al is there twice",
		"": "names no user",
	} {
		file := filepath.Join(t.TempDir(), "users")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		access, err := ConsoleAccess{UsersFile: file}.Access()
		if want == "" && (err != nil || len(access.Accounts) != 2 || access.Accounts[1].Name != "bob") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %+v, %v; want the error %q", text, access, err, want)
		}
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	a, b := Default(), Default()
	b.LogLevel, b.Channel.Rate.Burst, b.ConsoleAccess.Proxy.From = "debug", 7, []string{"10.0.0.1"}
	if got := strings.Join(Changed(a, b), " "); got != "rate.burst console_access.proxy.from log_level" || len(Changed(a, a)) != 0 {
		t.Errorf("changed: %s", got)
	}
}

// docs/settings.md tells of every key of the file and of no other, and of every
// flag that is a setting's.
func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := fileKeys()
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
