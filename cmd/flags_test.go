package cmd

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
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
