package cmd

import (
	"slices"

	"github.com/urfave/cli/v2"
)

// checked makes an action refuse arguments where it takes none, and flags that are given
// as empty: what an unset shell variable leaves of --pm "$WHOM" must not be taken for no
// --pm. An empty setting is allowed, as it may undo the file's.
func checked(action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		for _, f := range c.Command.Flags {
			name, empty := f.Names()[0], false
			switch flag := f.(type) {
			case *cli.StringFlag:
				empty = len(flag.EnvVars) == 0 && c.IsSet(name) && c.String(name) == ""
			case *cli.StringSliceFlag:
				empty = len(flag.EnvVars) == 0 && slices.Contains(c.StringSlice(name), "")
			}
			if empty {
				return usagef("--%s is empty: say what it is to be, or leave it out", name)
			}
		}
		if c.Command.ArgsUsage == "" && len(c.Command.Subcommands) == 0 && c.Args().Present() {
			return noArguments(c)
		}
		return action(c)
	}
}

// ofOne makes an action check its one argument before anything else.
func ofOne(what string, action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.Args().Len() != 1 || c.Args().First() == "" {
			return usagef("give one %s: %s %s", what, c.Command.HelpName, c.Command.ArgsUsage)
		}
		return action(c)
	}
}

// noArguments returns the usage error of a command that takes no arguments, with what may
// have been meant.
func noArguments(c *cli.Context) error {
	first, instead := c.Args().First(), ""
	switch c.Command.HelpName {
	case "rosey run":
		instead = ": to speak, type a line once it runs, or use rosey send"
	case "rosey audit forget":
		instead = ": name the person with --user, as in rosey audit forget --user " + first
	}
	return usagef("%s takes no arguments, but got %q%s", c.Command.HelpName, first, instead)
}
