package cmd

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
)

func channelLogCommand() *cli.Command {
	return &cli.Command{
		Name:      "log",
		Usage:     "who changed what in a part of the channel",
		ArgsUsage: strings.Join(view.Parts(), "|"),
		Description: `Prints the events that changed a part, and where it was found to be otherwise: at a join, or where
the server tells nobody, as of another order of filters. The server does not say who changed settings.

   rosey channel log playlist --since 1d
   rosey channel log users --since 'yesterday 20:00' --user alice
   rosey channel log bans --channel lounge --output json`,
		Flags: append(rangeFlags(),
			&cli.StringFlag{Name: "channel", Usage: "only the channel `NAME`"},
			&cli.StringFlag{Name: "user", Usage: "only what `NAME` did or what was done to them"},
			outputFlag(),
		),
		Action: ofOne("part of the channel", func(c *cli.Context) error {
			subjects, err := view.ChangesOf(c.Args().First())
			if err != nil {
				return &usageError{err}
			}
			return ofRange(func(ctx context.Context, c *cli.Context, cmd command, query replay.Query) error {
				query.Subjects = subjects
				if query.User == "" { // nobody made it so
					query.Subjects, query.Part = append(subjects, event.SubjectState), c.Args().First()
				}
				o := replay.Options{Query: query, Style: replayStyle(c)}
				o.ShowChannel = query.Channel == "" && severalChannels(ctx, cmd)
				show, done := readProgress(c)
				o.Progress = show
				err := replay.Write(ctx, cmd.JS, c.App.Writer, o)
				done()
				return replayError(err)
			})(c)
		}),
	}
}
