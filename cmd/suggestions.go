package cmd

import (
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/suggest"
	pluginprocess "github.com/rosey-bot/rosey/plugins/process"
)

// errNoCommand returns the usage error of a command that does not exist below another, or
// below the program, with the nearest name.
func errNoCommand(below, name string, commands []*cli.Command) error {
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	return usagef("there is no command %q:%s see %s --help", below+" "+name, suggest.DidYouMean(name, below+" ", names), below)
}

// errNoFlag returns the usage error of a flag that a command does not have, with the
// nearest name.
func errNoFlag(command *cli.Command, name string) error {
	dashes, names := "-", []string(nil)
	if len(name) > 1 {
		dashes = "--"
		for _, f := range command.Flags {
			names = append(names, slices.DeleteFunc(slices.Clone(f.Names()), func(name string) bool { return len(name) == 1 })...)
		}
	}
	return usagef("there is no flag %s%s:%s see %s --help", dashes, name, suggest.DidYouMean(name, dashes, names), command.HelpName)
}

// variablePrefix is what the names of the program's variables begin with.
const variablePrefix = "ROSEY_"

// checkVariables returns a usage error for a variable that is nearly one of the program's.
// Others with the prefix are allowed: an orchestrator sets ROSEY_SERVICE_HOST and more of
// the kind where a service is called rosey.
func checkVariables(app *cli.App) error {
	known := append(slices.Clone(settings.SecretVariables), pluginprocess.NameVariable, pluginprocess.IDVariable)
	for _, p := range pluginsOf(app) {
		known = append(known, p.Variables...)
	}
	var walk func([]cli.Flag, []*cli.Command)
	walk = func(flags []cli.Flag, commands []*cli.Command) {
		for _, f := range flags {
			if f, ok := f.(cli.DocGenerationFlag); ok {
				known = append(known, f.GetEnvVars()...)
			}
		}
		for _, c := range commands {
			walk(c.Flags, c.Subcommands)
		}
	}
	walk(app.Flags, app.Commands)
	for i, name := range known {
		known[i] = strings.TrimPrefix(name, variablePrefix)
	}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		said, ours := strings.CutPrefix(name, variablePrefix)
		if !ours || slices.Contains(known, said) {
			continue
		}
		if meant := suggest.DidYouMean(said, variablePrefix, known); meant != "" {
			return usagef("there is no variable %s:%s", name, meant)
		}
	}
	return nil
}
