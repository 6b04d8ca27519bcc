package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
)

// request is what a command asks of a channel.
type request struct {
	subject string
	payload any
	warning string // what will be gone, "" if nothing
	about   string // which of several it is
}

// ability is a command that asks something of a channel.
type ability struct {
	name, usage, args, examples string
	flags                       []cli.Flag
	least, most                 int // how many arguments it takes; most -1 is any number
	request                     func(c *cli.Context, args []string) ([]request, error)
}

func (a ability) command() *cli.Command {
	flags := append(slices.Clone(a.flags),
		inChannelFlag(),
		&cli.StringFlag{Name: "for", Usage: "the `USER` on whose wish it happens, which is recorded"},
		&cli.StringFlag{Name: "reason", Usage: "the `TEXT` why, which is recorded"},
		outputFlag(),
	)
	return &cli.Command{
		Name: a.name, Usage: a.usage, ArgsUsage: a.args, Flags: flags,
		Description: "Waits for the outcome. The exit code is 0 if it was done or was so already, 1 if not.\n\n" + a.examples,
		Action: func(c *cli.Context) error {
			args := c.Args().Slice()
			if len(args) < a.least || a.most >= 0 && len(args) > a.most {
				return usagef("call it as %s %s", c.Command.HelpName, a.args)
			}
			requests, err := a.request(c, args)
			if err != nil {
				return &usageError{err}
			}
			return running(func(ctx context.Context, c *cli.Context, cmd command) error { return do(ctx, c, cmd, requests) })(c)
		},
	}
}

// bare makes the request of an ability without an argument.
func bare(subject string) func(*cli.Context, []string) ([]request, error) {
	return func(*cli.Context, []string) ([]request, error) {
		return []request{{subject: subject, payload: event.SendBare{}}}, nil
	}
}

// one makes a request from the only argument.
func one(subject string, payload func(arg string) any) func(*cli.Context, []string) ([]request, error) {
	return func(_ *cli.Context, args []string) ([]request, error) {
		return []request{{subject: subject, payload: payload(args[0])}}, nil
	}
}

// item makes a request from a uid.
func item(subject string) func(*cli.Context, []string) ([]request, error) {
	return func(_ *cli.Context, args []string) (list []request, err error) {
		for _, arg := range args {
			uid, err := uidOf(arg)
			if err != nil {
				return nil, err
			}
			list = append(list, request{subject: subject, payload: event.SendItem{UID: uid}, about: arg})
		}
		return list, nil
	}
}

func uidOf(arg string) (int, error) {
	uid, err := strconv.Atoi(arg)
	if err != nil || uid < 0 {
		return 0, fmt.Errorf("%q is no uid, the number of an item on the playlist: rosey channel show playlist shows them", arg)
	}
	return uid, nil
}

// do asks for each request in turn, whatever became of those before, and prints the
// outcomes. It fails if one was neither done nor so already. Where asking itself fails it
// ends, and says what was not asked for.
func do(ctx context.Context, c *cli.Context, cmd command, requests []request) error {
	channel, err := channelFor(ctx, cmd, c.String("channel"))
	if err != nil {
		return err
	}
	for _, r := range requests {
		if err := confirm(c, channel, r.warning); err != nil {
			return err
		}
	}
	failed := false
	for i, r := range requests {
		d, ref, err := ask(ctx, c, cmd, r, channel)
		if err != nil && i+1 < len(requests) {
			var rest []string
			for _, r := range requests[i+1:] {
				rest = append(rest, r.about)
			}
			err = fmt.Errorf("%s: %w; not asked for: %s", r.about, err, strings.Join(rest, ", "))
		}
		if event.CodeOf(err) == event.InvalidInput {
			return &usageError{err}
		}
		if err != nil {
			return err
		}
		about := ""
		if len(requests) > 1 {
			about = r.about + ": "
		}
		if err := printOutcome(c, about, d, ref); err != nil {
			return err
		}
		failed = failed || d.Status != event.DeliveryDone && d.Status != event.DeliveryAlready
	}
	if failed {
		return errUnhealthy
	}
	return nil
}

// ask makes one request and waits for its outcome.
func ask(ctx context.Context, c *cli.Context, cmd command, r request, channel string) (d event.Delivery, ref event.Ref, err error) {
	send, err := sender.NewSend(ctx, r.subject, r.payload, map[string]string{"channel": channel, "for": c.String("for"), "reason": c.String("reason")})
	if err != nil {
		return d, ref, &usageError{err}
	}
	return sender.Do(ctx, cmd.Bus, send)
}

func printOutcome(c *cli.Context, about string, d event.Delivery, ref event.Ref) error {
	if wantJSON(c) {
		raw, err := event.Encode(d)
		fmt.Fprintf(terminal.EscapeJSON(c.App.Writer), "%s\n", raw)
		return err
	}
	text := about + d.Status
	if d.Code != "" {
		text += " (" + string(d.Code) + ")"
	}
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	by := ""
	if d.ConfirmedBy != "" {
		by = ", seen as " + d.ConfirmedBy
	}
	fmt.Fprintf(c.App.Writer, "%s  asked as %s%s\n", terminal.Escape(text), ref, by)
	return nil
}

// yesFlag is --yes for commands that take something away.
func yesFlag() cli.Flag { return &cli.BoolFlag{Name: "yes", Usage: "do not ask first"} }

// confirm asks a person before something is gone.
func confirm(c *cli.Context, channel, warning string) error {
	if warning == "" || c.Bool("yes") {
		return nil
	}
	if channel == "" {
		channel = "the channel"
	}
	question := fmt.Sprintf(warning, channel)
	if !isTerminal(c.App.Reader) {
		return usagef("%s: repeat it with --yes", question)
	}
	fmt.Fprintf(c.App.ErrWriter, "%s. Go on? [y/N] ", question)
	answer, _ := bufio.NewReader(c.App.Reader).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}
