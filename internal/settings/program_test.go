package settings_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/internal/settings"
)

func readPlugins(t *testing.T, text string) (settings.Plugins, string, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "rosey.yaml")
	if err := os.WriteFile(path, []byte("plugins:\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := settings.Default()
	err := s.ReadFile(path)
	return s.Plugins, dir, err
}

// A plugin of the settings file may be a program, beside those that ship.
func TestPrograms(t *testing.T) {
	t.Parallel()
	p, dir, err := readPlugins(t, `
  trivia: false
  dice-roller: {max_dice: 3}
  greeter: {run: node "my greeter.js", dir: /srv/greeter, memory: 256MB, env: {GREETING: hello, TIMES: 3}, grace: 30s, watch: true, settings: {loud: true}}
  clock: {run: [sh, -c, "date; sleep 1"]}
  ticker: {run: ./tick, dir: ticker}
`)
	want := settings.Plugins{
		Off:    []string{"trivia"},
		Values: map[string]map[string]string{"dice-roller": {"max_dice": "3"}, "greeter": {"loud": "true"}},
		Programs: map[string]settings.Program{
			"greeter": {
				Run: []string{"node", "my greeter.js"}, Dir: "/srv/greeter", Memory: 256_000_000, Grace: 30 * time.Second, Watch: true,
				Env: map[string]string{"GREETING": "hello", "TIMES": "3"},
			},
			"clock":  {Run: []string{"sh", "-c", "date; sleep 1"}, Dir: dir},
			"ticker": {Run: []string{"./tick"}, Dir: filepath.Join(dir, "ticker")},
		},
	}
	if err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("%+v, %v\nwant %+v", p, err, want)
	}
}

// What cannot be is said with its place and what to write.
func TestProgramsThatCannotBe(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`greeter: {run: ""}`:                   "plugins.greeter.run: the command is empty",
		`greeter: {run: []}`:                   "plugins.greeter.run: the command is empty",
		`greeter: {run: "node 'x"}`:            "plugins.greeter.run: \"node 'x\" is not a command",
		`greeter: {run: x, memroy: 1GB}`:       "plugins.greeter.memroy: there is no such key. did you mean memory? The plugin's own",
		`greeter: {run: x, memory: lots}`:      `plugins.greeter.memory: "lots" is not a size`,
		`greeter: {run: x, memory: 256}`:       "plugins.greeter.memory: 256 is too little for any program",
		`greeter: {run: x, grace: soon}`:       "plugins.greeter.grace:",
		`greeter: {run: x, watch: maybe}`:      "plugins.greeter.watch: this is not true or false",
		`greeter: {run: x, env: [A]}`:          "plugins.greeter.env: these are no variables",
		`greeter: {run: x, settings: 3}`:       "plugins.greeter.settings: these are no settings",
		`greeter: {run: x, loud: true}`:        "The plugin's own settings stand below settings",
		`my.greeter: {run: x}`:                 "is not a plugin's name",
		`greeter: [node, greeter.js]`:          "plugins.greeter is true, false or its settings",
		`greeter: {run: x, env: {"A=B": "c"}}`: "is not a variable's name",
	} {
		if _, _, err := readPlugins(t, "  "+text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
}

// What was added to a store is read as it was written; a file that is not well takes no other along.
func TestAdded(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	if all, err := settings.Added(store); err != nil || len(all) != 0 {
		t.Errorf("an empty store has %v, %v", all, err)
	}
	greeter := settings.Program{Run: []string{"node", "it's.js"}, Dir: "/srv", Memory: 5 << 20, Env: map[string]string{"A": "x: y"}, Grace: time.Minute, Watch: true}
	for name, p := range map[string]settings.Program{"greeter": greeter, "clock": {Run: []string{"date"}}} {
		if err := settings.Add(store, name, p); err != nil {
			t.Fatal(err)
		}
	}
	broken := filepath.Join(settings.AddedDir(store), "broken.yaml")
	if err := os.WriteFile(broken, []byte("run: x\nspeed: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := settings.Added(store)
	if err == nil || !strings.Contains(err.Error(), "broken.yaml: plugins.broken.speed: there is no such key") {
		t.Errorf("the error is %v", err)
	}
	if got := all["greeter"]; len(all) != 2 || !reflect.DeepEqual(got, greeter) {
		t.Errorf("%+v", all)
	}
	for i, want := range []bool{true, false} {
		if found, err := settings.RemoveAdded(store, "greeter"); found != want || err != nil {
			t.Errorf("removal %d: %t, %v", i, found, err)
		}
	}
}
