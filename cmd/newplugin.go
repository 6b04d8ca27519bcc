package cmd

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/plugins/scaffold"
)

func newPluginCommand() *cli.Command {
	return &cli.Command{
		Name:      "new",
		Usage:     "write a working plugin with a passing test",
		ArgsUsage: "NAME [DIR]",
		Description: `Makes a Go module in DIR (default: ./NAME): the plugin, its test, a program that is a whole bot
with the plugin in it, a Makefile, a file for CI and a README.

   rosey plugin new greeter && cd greeter && make check && make run

In a checkout of Rosey without DIR, it makes a package below the folder plugins.

In another language, makes a program that a bot runs, with what rosey plugin add needs:

   rosey plugin new greeter --lang node && cd greeter && make setup check && make dev
   rosey plugin new greeter --lang python`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "lang", Value: scaffold.Go, Usage: "write it in `LANGUAGE`: " + strings.Join(scaffold.Languages(), ", ")},
			&cli.StringFlag{Name: "module", Usage: "the module's `PATH`, such as github.com/alice/greeter (default: example.org/NAME)"},
			&cli.StringFlag{Name: "replace", Usage: "build the module with the checkout of Rosey in `DIR` (default: that of this program, if it is of one)"},
			&cli.StringFlag{Name: "dir", Usage: "in a checkout, make a package below `DIR` (default: the checkout's plugins folder)"},
		},
		Action: newPlugin,
	}
}

func newPlugin(c *cli.Context) error {
	name, dir := c.Args().Get(0), c.Args().Get(1)
	if c.Args().Len() == 0 || c.Args().Len() > 2 {
		return usagef("give one name, and a folder if you like: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
	}
	if _, err := scaffold.New(name); err != nil {
		return &usageError{err}
	}
	if _, err := bot.FindPlugin(pluginsOf(c.App), name); err == nil {
		return usagef("%s is a plugin of this bot already: choose another name", name)
	}
	here, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the current folder: %w", err)
	}
	var next string
	root, outside := scaffold.Root(here)
	lang := c.String("lang")
	switch isModule := dir != "" || c.IsSet("module") || c.IsSet("replace"); {
	case !slices.Contains(scaffold.Languages(), lang):
		return usagef("--lang: there is no language %q here: write one of %s; docs/contract.md is for any other", lang, strings.Join(scaffold.Languages(), ", "))
	case lang != scaffold.Go && (c.IsSet("dir") || c.IsSet("module")):
		return usagef("--dir and --module are for plugins in Go: leave them out, or --lang %s", lang)
	case lang != scaffold.Go:
		var requirement scaffold.Requirement
		if dir = cmp.Or(dir, name); err == nil {
			requirement, err = requirementOf(c, here)
		}
		if err == nil {
			next, err = scaffold.WriteProgram(dir, name, lang, requirement)
		}
	case isModule && c.IsSet("dir"):
		return usagef("--dir is for a package in a checkout of Rosey: leave it out, or DIR, --module and --replace")
	case c.IsSet("dir"):
		next, err = scaffold.Write(c.String("dir"), name)
	case outside == nil && !isModule:
		next, err = scaffold.Write(filepath.Join(root, "plugins"), name)
	default:
		if dir == "" {
			dir = name
		}
		next, err = newModule(c, name, dir, here)
	}
	if event.CodeOf(err) == event.InvalidInput {
		return &usageError{err}
	}
	fmt.Fprint(c.App.Writer, next)
	return err
}

// requirementOf returns the Rosey that this program is of, or that --replace names.
func requirementOf(c *cli.Context, here string) (scaffold.Requirement, error) {
	places := []string{here}
	if program, err := os.Executable(); err == nil {
		places = append(places, filepath.Dir(program))
	}
	build, _ := debug.ReadBuildInfo()
	return scaffold.Require(c.String("replace"), version.String(), build, places...)
}

// newModule writes a module that builds with the Rosey that this program is of.
func newModule(c *cli.Context, name, dir, here string) (next string, err error) {
	requirement, err := requirementOf(c, here)
	if err != nil {
		return "", err
	}
	return scaffold.WriteModule(c.Context, dir, name, c.String("module"), requirement)
}
