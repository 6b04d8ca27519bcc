package cmd

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/plugins/shipped"
)

// A flag wins over its variable in every command, and in every place that it may stand in.
func TestFlagsWinOverVariables(t *testing.T) {
	tried := 0
	for _, path := range commandPaths("rosey", newApp(nil, nil, io.Discard, io.Discard).Commands) {
		for _, f := range commandAt(newApp(nil, nil, io.Discard, io.Discard), path).Flags {
			name := f.Names()[0]
			if flag, ok := f.(cli.DocGenerationFlag); !ok || !slices.Contains(flag.GetEnvVars(), envName(name)) {
				continue
			}
			tried++
			t.Run(strings.Join(path[1:], " ")+" --"+name, func(t *testing.T) {
				given, variable := valuesOf(f)
				t.Setenv(envName(name), variable)
				for _, args := range placesOf("--"+name+"="+given, path, flagOf(globalFlags(), name) != nil) {
					if got := settingSeenBy(t, path, args, name); got != given {
						t.Errorf("%s takes %q, with %q in the environment", strings.Join(args, " "), got, variable)
					}
				}
			})
		}
	}
	if tried < 200 {
		t.Errorf("tried %d flags", tried)
	}
}

// commandPaths lists the commands that do something, each by the words that call it.
func commandPaths(above string, commands []*cli.Command) (paths [][]string) {
	for _, c := range commands {
		if c.Name == helpName || c.SkipFlagParsing {
			continue
		}
		path := above + " " + c.Name
		if len(c.Subcommands) == 0 || c.Name == "audit" {
			paths = append(paths, strings.Fields(path))
		}
		paths = append(paths, commandPaths(path, c.Subcommands)...)
	}
	return paths
}

func commandAt(app *cli.App, path []string) (c *cli.Command) {
	commands := app.Commands
	for _, name := range path[1:] {
		c = find(commands, name)
		commands = c.Subcommands
	}
	return c
}

// valuesOf returns two values that a flag can have.
func valuesOf(f cli.Flag) (given, variable string) {
	switch f.(type) {
	case *cli.BoolFlag:
		return "true", "false"
	case *cli.IntFlag:
		return "3", "2"
	}
	return "given", "variable"
}

// placesOf puts a flag between the words of a command and behind its arguments; one that
// is not global may stand behind the command's name alone.
func placesOf(flag string, path []string, global bool) (lines [][]string) {
	for i := range path {
		if global || i == len(path)-1 {
			lines = append(lines, slices.Insert(slices.Clone(path), i+1, flag))
		}
	}
	return append(lines, slices.Concat(path, []string{"argument", flag}))
}

// settingSeenBy returns the value of a setting as the command sees it when it is called
// by a line.
func settingSeenBy(t *testing.T, path, line []string, name string) (seen string) {
	t.Helper()
	app := newApp(nil, nil, io.Discard, io.Discard)
	commandAt(app, path).Action = func(c *cli.Context) error {
		seen, _ = lookup(c, name)
		return nil
	}
	if err := app.Run(hoist(app, line)); err != nil {
		t.Errorf("%s: %v", strings.Join(line, " "), err)
	}
	return seen
}

func TestGlobalFlagsStandAnywhere(t *testing.T) {
	t.Parallel()
	app := newApp(shipped.All(), nil, io.Discard, io.Discard)
	for in, want := range map[string]string{
		"rosey --store s replay --since 1h":    "rosey replay --store s --since 1h",
		"rosey db get quotes 42 --store s":     "rosey db get --store s quotes 42",
		"rosey db --store s get quotes 42":     "rosey db get --store s quotes 42",
		"rosey --store s db --help":            "rosey --store s db --help",
		"rosey audit --user a --media forget":  "rosey audit --media forget --user a",
		"rosey db get quotes 42 --output=json": "rosey db get --output=json quotes 42",
		"rosey send hello --emote world":       "rosey send --emote hello world",
		"rosey send -- --emote":                "rosey send -- --emote",
		"rosey send a -- b --store s":          "rosey send a -- b --store s",
		"rosey plugin ls --output json":        "rosey plugin ls --output json",
		"rosey nonsense --store s":             "rosey --store s nonsense",
		"rosey help":                           "rosey --help",
		"rosey help help":                      "rosey --help --help",
		"rosey help plugin run":                "rosey plugin run --help",
		"rosey --store s help plugin":          "rosey --store s plugin --help",
		"rosey send --help help":               "rosey send --help help",
		"rosey db set c -1 {}":                 "rosey db set c -1 {}",
		"rosey db get -1 c":                    "rosey db get -- -1 c",
		"rosey":                                "rosey",
	} {
		if got := strings.Join(hoist(app, strings.Fields(in)), " "); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}
