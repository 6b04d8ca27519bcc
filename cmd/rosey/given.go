package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

// checked makes an action refuse flags that were given as empty: what an unset
// variable of the shell leaves of --pm "$WHOM" must not be taken for no --pm.
// Settings are another matter, as an empty one may be meant to undo the file's.
func checked(action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		for _, f := range c.Command.Flags {
			name := f.Names()[0]
			if flag, ok := f.(*cli.StringFlag); ok && len(flag.EnvVars) == 0 && c.IsSet(name) && c.String(name) == "" {
				return usagef("--%s is empty: say what it is to be, or leave it out", name)
			}
			if flag, ok := f.(*cli.StringSliceFlag); ok && len(flag.EnvVars) == 0 && slices.Contains(c.StringSlice(name), "") {
				return usagef("--%s is empty: say what it is to be, or leave it out", name)
			}
		}
		return action(c)
	}
}
