package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	pluginprocess "github.com/rosey-bot/rosey/plugins/process"
)

func shadowPluginCommand() *cli.Command {
	return &cli.Command{
		Name:      "shadow",
		Usage:     "run a new version of a plugin beside the live one, on the same events, and show where they differ",
		ArgsUsage: "NAME -- COMMAND…",
		Description: `A dry run, live: the program gets what the plugin gets, from now on, and nothing that it does leaves a sandbox.
It speaks in no channel; what it writes lies over the live records, which it reads; what it asks of other plugins
is answered as the live version was answered. What it reads from the first event (the past) has to be read by the
live version, whose records it goes on from. Ends at Ctrl-C, or after --events; exits with 1 on a difference.

   rosey plugin shadow trivia -- bin/rosey plugin run trivia
   rosey plugin shadow greeter --events 100 -- node ./greeter.js`,
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "events", Usage: "end after `N` events"},
			&cli.StringSliceFlag{Name: "env", Usage: "give the program a variable, as `NAME=VALUE`; may be repeated"},
			outputFlag(),
		},
		Action: shadowPlugin,
	}
}

// errEnough ends a shadow after the events that were asked for.
var errEnough = errors.New("enough events")

func shadowPlugin(c *cli.Context) error {
	name := c.Args().First()
	if !event.ValidName(name) {
		return usagef("give a plugin and a program: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
	}
	program, err := programOf(c, c.Args().Tail())
	if err != nil {
		return err
	}
	return running(func(ctx context.Context, c *cli.Context, cmd command) error {
		counts, ran := map[dryrun.Status]int{}, 0
		err := dryrun.Shadow(ctx, cmd.JS, dryrun.ShadowOptions{
			Plugin: name, Command: program, Logger: cmd.log,
			OnReady: func() { fmt.Fprintf(c.App.ErrWriter, "rosey: %s gets the events of %s now\n", program.Args[0], name) },
			OnState: func(s pluginprocess.State) {
				if s.State == pluginprocess.Waiting {
					fmt.Fprintf(c.App.ErrWriter, "rosey: %s: %s\n", program.Args[0], terminal.Escape(s.LastExit))
				}
			},
		}, func(r dryrun.Result) error {
			ran++
			counts[r.Status()]++
			if err := printResult(c, r); err != nil {
				return err
			}
			if n := c.Int("events"); n > 0 && ran >= n {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return fmt.Errorf("shadow: %w", err)
		}
		if err := printCounts(c, ran, counts); err != nil {
			return err
		}
		if counts[dryrun.Same]+counts[dryrun.Excluded] < ran {
			return errUnhealthy
		}
		return nil
	})(c)
}
