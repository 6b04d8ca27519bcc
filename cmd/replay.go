package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/replay"
)

func replayCommand() *cli.Command {
	return &cli.Command{
		Name:  "replay",
		Usage: "what happened: the events of a range of time, from the streams",
		Description: `Works on a running bot and on the store of a stopped one.

   rosey replay --since 1h
   rosey replay --since 'today 14:05' --until 'today 14:30' --channel lounge
   rosey replay --since 2d --subject 'plugin.*.command' --user alice
   rosey replay --since 1h --follow
   rosey replay --since 1h --tree
   rosey replay --since 1h --export-otlp http://localhost:4318  as if a collector had been there
   rosey replay --since 1d --summary
   rosey replay --since 1d --into dice-roller                   dry run: what would it say now?
   rosey replay --since 1d --into dice-roller --set max_dice=3  and with another setting?
   rosey replay --since 1d --into dice-roller --save case.jsonl
   rosey replay --case case.jsonl --into dice-roller            a regression test
   rosey replay --correlation 550e8400 --output json`,
		Flags: append(slices.Concat(rangeFlags(), dryRunFlags(), exportFlags()),
			&cli.StringSliceFlag{Name: "subject", Usage: "only the subject or pattern `S`; may be repeated"},
			&cli.StringFlag{Name: "channel", Usage: "only the channel `NAME`"},
			&cli.StringFlag{Name: "user", Usage: "only what `NAME` did or received"},
			&cli.StringFlag{Name: "plugin", Usage: "only the plugin `NAME`"},
			&cli.StringFlag{Name: "correlation", Usage: "only the conversation `ID`, of which 8 characters will do, or of the event STREAM:SEQ"},
			&cli.StringFlag{Name: "grep", Usage: "only events with a value that matches `REGEXP`"},
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with what happens next"},
			&cli.BoolFlag{Name: "tree", Usage: "group by conversation, indented by cause, with the time between steps"},
			&cli.BoolFlag{Name: "summary", Usage: "counts by subject and plugin, slowest conversations, errors"},
			outputFlag(),
		),
		Action: orDryRun(ofRange(orExport(func(ctx context.Context, c *cli.Context, cmd command, query replay.Query) error {
			o := replay.Options{Query: query, Style: replayStyle(c), Tree: c.Bool("tree"), Summary: c.Bool("summary")}
			o.ShowChannel = query.Channel == "" && severalChannels(ctx, cmd)
			o.Follow = c.Bool("follow")
			if o.Follow && !cmd.Running {
				return errors.New("there is nothing to follow, as no bot is running: leave out --follow to read its store")
			}
			show, done := readProgress(c)
			if !isTerminal(c.App.Writer) || o.Summary || o.Tree {
				o.Progress = show
			}
			err := replay.Write(ctx, cmd.JS, c.App.Writer, o)
			done()
			return replayError(err)
		}))),
	}
}

// replayStyle returns how the output of rosey replay and rosey trace looks.
func replayStyle(c *cli.Context) replay.Style {
	return replay.Style{JSON: wantJSON(c), Colors: terminal.HasColor(c.App.Writer), TruncatedHint: "(--output json shows all)"}
}

// severalChannels reports whether events may be of more than one channel, as far
// as the settings and the bots that run tell.
func severalChannels(ctx context.Context, cmd command) bool {
	if cmd.settings.Several() || !cmd.Running {
		return cmd.settings.Several()
	}
	bots, _ := bot.QueryStatuses(ctx, cmd.Conn)
	names := map[string]bool{}
	for _, bot := range bots {
		for _, ch := range bot.Channels {
			names[ch.Channel] = true
		}
	}
	return len(names) > 1
}

// rangeAction is an action on a range of the streams.
type rangeAction func(ctx context.Context, c *cli.Context, cmd command, query replay.Query) error

// ofRange makes an action check its range and filters before it opens a store, so that a
// mistake in them is reported wherever the store is.
func ofRange(do rangeAction) cli.ActionFunc {
	return func(c *cli.Context) error {
		query, err := replayQuery(c)
		if err != nil {
			return err
		}
		return reading(func(ctx context.Context, c *cli.Context, cmd command) error {
			if query.User != "" {
				entries, err := router.List(ctx, cmd.JS)
				if err != nil {
					return err
				}
				query.Marks = router.Marks(entries)
			}
			return do(ctx, c, cmd, query)
		})(c)
	}
}

// replayQuery reads the flags of a range, and the filters that the command has.
func replayQuery(c *cli.Context) (replay.Query, error) {
	f := replay.Filter{
		Subjects: c.StringSlice("subject"), Channel: c.String("channel"), User: c.String("user"), Plugin: c.String("plugin"),
		Correlation: c.String("correlation"),
	}
	var err error
	if f.Since, f.Until, err = timeRange(c); err != nil {
		return replay.Query{}, err
	}
	if text := c.String("grep"); text != "" {
		if f.Grep, err = replay.Pattern(text); err != nil {
			return replay.Query{}, usagef("--grep: %w", err)
		}
	}
	if err := f.Validate(); err != nil {
		return replay.Query{}, &usageError{err}
	}
	return replay.Query{Filter: f}, nil
}

// replayError tells mistakes in the request from failures.
func replayError(err error) error {
	switch {
	case errors.Is(err, replay.ErrNoMatch):
		return err
	case event.CodeOf(err) == event.InvalidInput:
		return &usageError{err}
	case err != nil:
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}
