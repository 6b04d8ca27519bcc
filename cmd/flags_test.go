package cmd

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/plugins/shipped"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A flag wins over its variable in every command, and in every place that it may stand in.
func TestFlagsWinOverVariables(t *testing.T) {
	streamstest.Slow(t, "runs dozens of commands")
	tried := 0
	for _, path := range commandPaths("rosey", newApp(nil, nil, io.Discard, io.Discard).Commands) {
		t.Run(strings.Join(path[1:], " "), func(t *testing.T) {
			flags := withVariables(commandAt(newApp(nil, nil, io.Discard, io.Discard), path).Flags)
			for _, f := range flags {
				_, variable := valuesOf(f)
				t.Setenv(envName(f.Names()[0]), variable)
			}
			for place := range len(path) + 1 {
				line, want := lineWith(flags, path, place)
				tried += len(want)
				if diff := cmp.Diff(want, settingsSeenBy(t, path, line, want)); diff != "" {
					t.Errorf("%s, with others in the environment:\n%s", strings.Join(line, " "), diff)
				}
			}
		})
	}
	if tried < 500 {
		t.Errorf("tried %d flags", tried)
	}
}

// withVariables returns the flags that a variable sets, too.
func withVariables(flags []cli.Flag) (have []cli.Flag) {
	for _, f := range flags {
		if flag, ok := f.(cli.DocGenerationFlag); ok && slices.Contains(flag.GetEnvVars(), envName(f.Names()[0])) {
			have = append(have, f)
		}
	}
	return have
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

// lineWith returns a command line with all flags that may stand in a place, and their values:
// after a word of the command, or after its arguments. One that is not global may stand
// after the whole command alone.
func lineWith(flags []cli.Flag, path []string, place int) (line []string, given map[string]string) {
	words := path
	if place == len(path) {
		words = append(slices.Clone(path), "argument")
	}
	var options []string
	given = map[string]string{}
	for _, f := range flags {
		name := f.Names()[0]
		if place < len(path)-1 && flagOf(globalFlags(), name) == nil {
			continue
		}
		given[name], _ = valuesOf(f)
		options = append(options, "--"+name+"="+given[name])
	}
	return slices.Insert(slices.Clone(words), place+1, options...), given
}

// settingsSeenBy returns the values of settings as the command sees them when it is called
// by a line.
func settingsSeenBy(t *testing.T, path, line []string, names map[string]string) map[string]string {
	t.Helper()
	app, seen := newApp(nil, nil, io.Discard, io.Discard), map[string]string{}
	commandAt(app, path).Action = func(c *cli.Context) error {
		for name := range names {
			seen[name], _ = lookup(c, name)
		}
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
