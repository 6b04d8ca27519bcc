package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/deadletters"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/msgid"
)

func deadCommand() *cli.Command {
	return &cli.Command{
		Name:  "dead",
		Usage: "dead letters: events that could not be handled",
		Description: `   rosey dead ls
   rosey dead show PLUGIN:17
   rosey dead retry PLUGIN:17      handle it again, in the same conversation
   rosey dead drop PLUGIN:17       strike it off the list; it stays in the stream`,
		Subcommands: []*cli.Command{
			{Name: "ls", Usage: "list dead letters that were neither retried nor dropped", Description: `   rosey dead ls
   rosey dead ls --all --output json`, Flags: []cli.Flag{
				&cli.BoolFlag{Name: "all", Usage: "also those that were retried or dropped"}, outputFlag(),
			}, Action: reading(listDead)},
			{Name: "show", Usage: "show a dead letter and the event it is about", ArgsUsage: "STREAM:SEQ", Description: `   rosey dead show PLUGIN:17`, Flags: []cli.Flag{outputFlag()}, Action: ofOne("dead letter", reading(showDead))},
			{Name: "retry", Usage: "give the event to its consumer again", ArgsUsage: "STREAM:SEQ…", Description: `   rosey dead retry PLUGIN:17`, Action: reading(settleDead(func(ctx context.Context, bus *streams.Bus, ref event.Ref) (string, error) {
				again, err := deadletters.Retry(ctx, bus, ref)
				return "retried as " + again.String(), err
			}))},
			{Name: "drop", Usage: "strike a dead letter off the list", ArgsUsage: "STREAM:SEQ…", Description: `   rosey dead drop PLUGIN:17`, Action: reading(settleDead(func(ctx context.Context, bus *streams.Bus, ref event.Ref) (string, error) {
				return "dropped", deadletters.Drop(ctx, bus, ref)
			}))},
		},
	}
}

func listDead(ctx context.Context, c *cli.Context, cmd command) error {
	letters, err := deadletters.List(ctx, cmd.JS)
	if err != nil {
		return err
	}
	if !c.Bool("all") {
		letters = slices.DeleteFunc(letters, func(l deadletters.Letter) bool { return l.State != deadletters.Open })
	}
	if len(letters) == 0 && !wantJSON(c) {
		fmt.Fprintln(c.App.Writer, "no dead letters")
		return nil
	}
	headers := table.Row{"dead letter", "when", "consumer", "subject", "attempts", "error", "state"}
	return printList(c, letters, headers, func(l deadletters.Letter) table.Row {
		return table.Row{
			l.Ref.String(), l.At.Local().Format(time.DateTime), l.Consumer, l.Subject, l.Attempts, plugins.Shorten(terminal.Escape(l.Error), 60), l.State,
		}
	})
}

func showDead(ctx context.Context, c *cli.Context, cmd command) error {
	ref, err := event.ParseRef(c.Args().First())
	if err != nil {
		return &usageError{err}
	}
	letter, original, err := deadletters.Find(ctx, cmd.JS, ref)
	if err != nil {
		return err
	}
	if wantJSON(c) {
		return encode(c, map[string]any{"letter": letter, "event": jsonBody(original)})
	}
	fmt.Fprintf(c.App.Writer, "%s  %s, consumer %s, after %d attempt(s): %s\ncorrelation %s\n", letter.Ref, letter.State, terminal.Escape(letter.Consumer),
		letter.Attempts, terminal.Escape(letter.Error), terminal.Escape(letter.CorrelationID))
	if letter.Stack != "" {
		fmt.Fprintf(c.App.Writer, "\n%s\n", terminal.EscapeLines(strings.TrimRight(letter.Stack, "\n")))
	}
	if original == nil {
		fmt.Fprintf(c.App.Writer, "\nThe event %s:%d is no longer in its stream.\n", letter.Stream, letter.Seq)
		return nil
	}
	fmt.Fprintf(c.App.Writer, "\n%s:%d %s\n%s\n", letter.Stream, letter.Seq, letter.Subject, terminal.Escape(string(original)))
	return nil
}

// jsonBody returns an event's body for JSON output: as it is, or as text if it is no
// JSON, or null if there is none.
func jsonBody(body []byte) any {
	switch {
	case body == nil:
		return nil
	case json.Valid(body):
		return json.RawMessage(body)
	}
	return string(body)
}

func settleDead(settle func(context.Context, *streams.Bus, event.Ref) (string, error)) clientAction {
	return func(ctx context.Context, c *cli.Context, cmd command) error {
		if !c.Args().Present() {
			return usagef("name dead letters as rosey dead ls shows them: rosey dead %s STREAM:SEQ…", c.Command.Name)
		}
		// As in the bot, whose console does the same.
		seal, err := msgid.OpenSigner(ctx, cmd.JS, cmd.settings.Replicas)
		if err != nil {
			return err
		}
		bus := streams.NewBus(cmd.Conn, cmd.JS, streams.WithSource(cmd.Bus.Source()), streams.WithMessageIDSigner(seal))
		var errs []error
		for _, text := range c.Args().Slice() {
			ref, err := event.ParseRef(text)
			if err != nil {
				return &usageError{err}
			}
			done, err := settle(ctx, bus, ref)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			fmt.Fprintf(c.App.Writer, "%s is %s\n", ref, done)
		}
		return errors.Join(errs...)
	}
}
