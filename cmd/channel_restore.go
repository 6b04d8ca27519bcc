package cmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/restore"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func channelRestoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "make parts of the channel what they were",
		ArgsUsage: strings.Join(restore.Parts(), "|") + "…|all",
		Description: `Prints a plan first: what is added (+), removed (-) and changed (~), and what the bot
cannot do, and why. Then it asks, and does it in order. If it is broken off, repeat it: it
goes on with what is left. It is undone by the same command with the time that it prints.

The bot queues what is missing, so it is the bot's then. What plays goes on where it is, and what
is played again begins anew: only a leader may set the position inside an item. Emotes and filters
get their order too, by an import of the whole list; one that somebody moved since the bot last got
the list is not seen. The exit code is 0 if all was done that can be, 1 if something was refused.

   rosey channel restore playlist --at 'yesterday 20:00'
   rosey channel restore motd emotes --at 2h --dry-run
   rosey channel restore all --at 'monday 12:00' --yes`,
		Flags: []cli.Flag{
			inChannelFlag(),
			&cli.StringFlag{Name: "at", Usage: "as it was at `TIME`: an age (90m, 2d), RFC 3339, or yesterday 20:00"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print the plan and do nothing"},
			yesFlag(), outputFlag(),
		},
		Action: func(c *cli.Context) error {
			parts, err := partsToRestore(c.Args().Slice())
			if err != nil {
				return &usageError{err}
			}
			at, err := momentOf(c.String("at"), "--at")
			if err != nil {
				return err
			}
			if at.IsZero() {
				return usagef("give the time to go back to, such as --at 'yesterday 20:00'")
			}
			if c.Bool("dry-run") {
				return reading(func(ctx context.Context, c *cli.Context, cmd command) error {
					r, err := restorer(ctx, c, cmd, at, parts)
					if err != nil {
						return err
					}
					_, err = showPlan(ctx, c, r)
					return err
				})(c)
			}
			return running(func(ctx context.Context, c *cli.Context, cmd command) error {
				r, err := restorer(ctx, c, cmd, at, parts)
				if err != nil {
					return err
				}
				return doRestore(ctx, c, r)
			})(c)
		},
	}
}

// partsToRestore returns the parts that are named; all are every part.
func partsToRestore(names []string) ([]string, error) {
	if slices.Equal(names, []string{"all"}) {
		return restore.Parts(), nil
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("name what to restore: %s, or all", strings.Join(restore.Parts(), ", "))
	}
	for _, name := range names {
		if err := restore.CheckPart(name); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func restorer(ctx context.Context, c *cli.Context, cmd command, at time.Time, parts []string) (restore.Restorer, error) {
	name, err := oneChannel(ctx, c, cmd)
	if err == nil && !c.Bool("dry-run") {
		name, err = channelFor(ctx, cmd, name)
	}
	if err != nil {
		return restore.Restorer{}, err
	}
	bot, err := cytube.BotOf(ctx, cmd.JS, name)
	return restore.Restorer{Bus: cmd.Bus, Channel: strings.ToLower(name), Bot: bot, At: at, Parts: parts}, err
}

// showPlan prints a plan, and returns how many of its steps can be done.
func showPlan(ctx context.Context, c *cli.Context, r restore.Restorer) (can int, err error) {
	steps, err := r.Plan(ctx)
	if err != nil {
		return 0, err
	}
	for _, s := range steps {
		if s.Cannot == "" {
			can++
		}
		if err := printStep(c, s); err != nil {
			return can, err
		}
	}
	if wantJSON(c) {
		return can, nil
	}
	switch cannot := len(steps) - can; {
	case len(steps) == 0:
		fmt.Fprintln(c.App.Writer, "no difference")
	case can == 0:
		fmt.Fprintln(c.App.Writer, "nothing of it can be changed")
	case cannot == 0:
		fmt.Fprintf(c.App.Writer, "%s to %s\n", counted(can, "change"), r.Channel)
	default:
		fmt.Fprintf(c.App.Writer, "%s to %s, and %d that cannot be made\n", counted(can, "change"), r.Channel, cannot)
	}
	return can, nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func printStep(c *cli.Context, s restore.Step) error {
	if wantJSON(c) {
		return encode(c, s)
	}
	line := changeLine(s.Change)
	if s.Cannot != "" {
		line += "\n     cannot: " + s.Cannot
	}
	for part := range strings.SplitSeq(line, "\n") {
		fmt.Fprintln(c.App.Writer, terminal.Escape(part))
	}
	return nil
}

// doRestore plans, asks, and does what can be done.
func doRestore(ctx context.Context, c *cli.Context, r restore.Restorer) error {
	can, err := showPlan(ctx, c, r)
	if err != nil || can == 0 {
		return err
	}
	if err := confirm(c, r.Channel, fmt.Sprintf("%s will become what it was at %s", "%s", r.At.Local().Format(time.DateTime))); err != nil {
		return err
	}
	began := time.Now()
	ctx = propagation.WithCorrelation(ctx, event.NewCorrelationID())
	if !wantJSON(c) {
		fmt.Fprintf(c.App.Writer, "undo it by: rosey channel restore %s --channel %s --at %s\n", named(r.Parts), r.Channel, began.UTC().Format(time.RFC3339Nano))
	}
	line, done := progressLine(c.App.ErrWriter, "restored")
	refused := 0
	r.Done = func(s restore.Step, d event.Delivery, n, total int) {
		line(n, total)
		if d.Status != event.DeliveryDone && d.Status != event.DeliveryAlready {
			refused++
			done()
			printRefusal(c.App.ErrWriter, s, d)
		}
	}
	left, err := r.Run(ctx)
	done()
	if err != nil {
		return fmt.Errorf("broken off, repeat the command to go on: %w", err)
	}
	return printRestored(c, r, left, refused, time.Since(began))
}

// named returns the parts as they are typed.
func named(parts []string) string {
	if slices.Equal(parts, restore.Parts()) {
		return "all"
	}
	return strings.Join(parts, " ")
}

func printRefusal(w io.Writer, s restore.Step, d event.Delivery) {
	fmt.Fprintf(w, "%s\n     %s %s\n", terminal.Escape(changeLine(s.Change)), d.Status, terminal.Escape(strings.TrimSpace(string(d.Code)+" "+d.Reason)))
}

// printRestored prints what is left, and returns errUnhealthy if something was not done that
// the plan promised.
func printRestored(c *cli.Context, r restore.Restorer, left []restore.Step, refused int, took time.Duration) error {
	cannot := 0
	for _, s := range left {
		if s.Cannot != "" {
			cannot++
		}
	}
	different := len(left) - cannot
	if !wantJSON(c) {
		fmt.Fprintf(c.App.Writer, "%s is as it was at %s, after %s", r.Channel, r.At.Local().Format(time.DateTime), took.Round(time.Millisecond))
		if len(left) > 0 {
			fmt.Fprintf(c.App.Writer, ", but for %s", counted(len(left), "difference"))
		}
		fmt.Fprintln(c.App.Writer)
		for _, s := range left {
			if s.Cannot == "" {
				if err := printStep(c, s); err != nil {
					return err
				}
			}
		}
	}
	if different > 0 || refused > 0 {
		return errUnhealthy
	}
	return nil
}
