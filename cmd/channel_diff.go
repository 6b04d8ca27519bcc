package cmd

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/plugins"
)

func channelDiffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "what became different in the channel between two times",
		ArgsUsage: "FROM [TO]",
		Description: `Prints what was added (+), removed (-) and changed (~). TO is now unless given. What was
not known at one of the times is left out.

   rosey channel diff 'yesterday 20:00'
   rosey channel diff 2d 1d --channel lounge
   rosey channel diff 'monday 12:00' now --output json`,
		Flags: []cli.Flag{inChannelFlag(), outputFlag()},
		Action: func(c *cli.Context) error {
			if n := c.Args().Len(); n < 1 || n > 2 {
				return usagef("give one time or two: %s FROM [TO]", c.Command.HelpName)
			}
			from, err := momentOf(c.Args().Get(0), "FROM")
			if err != nil {
				return err
			}
			to, err := momentOf(c.Args().Get(1), "TO")
			if err != nil {
				return err
			}
			return reading(func(ctx context.Context, c *cli.Context, cmd command) error {
				a, err := channelAt(ctx, c, cmd, from)
				if err != nil {
					return err
				}
				b, err := channelAt(ctx, c, cmd, to)
				if err != nil {
					return err
				}
				return printDifferences(c, view.Diff(a.View, b.View))
			})(c)
		},
	}
}

func printDifferences(c *cli.Context, changes []view.Change) error {
	if wantJSON(c) {
		for _, change := range changes {
			if err := encode(c, change); err != nil {
				return err
			}
		}
		return nil
	}
	if len(changes) == 0 {
		fmt.Fprintln(c.App.Writer, "no difference")
	}
	for _, change := range changes {
		fmt.Fprintln(c.App.Writer, terminal.Escape(changeLine(change)))
	}
	return nil
}

// maxValue is how much of a value is printed.
const maxValue = 80

func changeLine(c view.Change) string {
	return c.Line(func(value string) string { return plugins.Shorten(value, maxValue) })
}
