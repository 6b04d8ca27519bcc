package cmd

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/replay"
)

func traceCommand() *cli.Command {
	return &cli.Command{
		Name:      "trace",
		Usage:     "one conversation as a tree, from the streams alone",
		ArgsUsage: "ID",
		Description: `ID is a correlation ID, its beginning, a trace ID, or one of its events as STREAM:SEQ.
No tracing backend is needed: causes are kept in the events themselves. An ID does
not tell when that was, so that all of the past is read for it; give --since where
you know better.

   rosey trace 550e8400-e29b-41d4-a716-446655440000
   rosey trace 550e8400
   rosey trace 550e8400 --since 2d
   rosey trace CYTUBE:42 --output json`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "since", Usage: "look no further back than `TIME`: an age (90m, 2d), RFC 3339, or today 14:05"},
			outputFlag(),
		},
		Action: ofOne("ID", ofRange(func(ctx context.Context, c *cli.Context, cmd command, query replay.Query) error {
			show, done := readProgress(c)
			err := replay.WriteTrace(ctx, cmd.JS, c.App.Writer, c.Args().First(), replay.ConversationOptions{Since: query.Since, Progress: show}, replayStyle(c))
			done()
			return replayError(err)
		})),
	}
}
