package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPluginsInTheFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Plugins{
		"plugins: [a, b]":           {Only: []string{"a", "b"}},
		"plugins: a, b":             {Only: []string{"a", "b"}},
		"plugins: []":               {Only: []string{}},
		"plugins: none":             {Only: []string{}},
		"plugins: {a: false}":       {Off: []string{"a"}, Values: map[string]map[string]string{}},
		"plugins: {a: true, b: {}}": {Values: map[string]map[string]string{"b": {}}},
		"plugins: {a: {n: 5, wait: 30s, on: false, names: [x, y], roll.min_rank: 1}}": {
			Values: map[string]map[string]string{"a": {"n": "5", "wait": "30s", "on": "false", "names": "x,y", "roll.min_rank": "1"}},
		},
	} {
		s := Default()
		file := filepath.Join(t.TempDir(), "rosey.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.ReadFile(file); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, s.Plugins); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	s := Default()
	file := filepath.Join(t.TempDir(), "rosey.yaml")
	if err := os.WriteFile(file, []byte("plugins: {a: 7}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.ReadFile(file); err == nil || !strings.Contains(err.Error(), "plugins.a is true, false or its settings, not 7") {
		t.Errorf("a number: %v", err)
	}
}

func TestPluginsThatRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		plugins Plugins
		a, b    bool
	}{
		{Plugins{}, true, true},
		{Plugins{Off: []string{"a"}}, false, true},
		{Plugins{}.only([]string{"a"}), true, false},
		{Plugins{}.only(nil), false, false},
		{Plugins{Off: []string{"a"}}.only([]string{"a"}), true, false}, // the flag wins
	} {
		if a, b := c.plugins.Runs("a"), c.plugins.Runs("b"); a != c.a || b != c.b {
			t.Errorf("%+v: a runs %v, b %v", c.plugins, a, b)
		}
	}
}
