package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/terminal"
	pluginprocess "github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/plugins/verify"
)

func verifyPluginCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "hold a plugin's program, in any language, to the event contract",
		ArgsUsage: "-- COMMAND…",
		Description: `Runs the program on a bot of its own with no channel, in a temporary folder, and does to it what happens
to programs: kill -9 at every step between a command and its acknowledgement, cut connections,
redeliveries, commands that are too old, events that are none. Prints a line for each check, with what
to do where it failed, and exits with 1 then.

   rosey plugin verify -- node ./greeter.js
   rosey plugin verify --say '!greet bob' --say '!greet' -- python3 greeter.py
   rosey plugin verify -- bin/rosey plugin run greeter

The program gets NATS_URL, NATS_CREDS and ROSEY_PLUGIN in its environment. Each check is run with every
--say; without one, with the commands that the plugin registers.`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "say", Usage: "type `LINE`, such as '!greet bob'; may be repeated"},
			&cli.StringFlag{Name: "name", Usage: "the plugin registers as `NAME` (default: what it registers when it is started once more, with all rights)"},
			&cli.StringSliceFlag{Name: "env", Usage: "give the program a variable, as `NAME=VALUE`; may be repeated"},
			&cli.StringSliceFlag{Name: "check", Usage: "run only the check `NAME`: one of " + strings.Join(verify.Checks(), ", ")},
			&cli.DurationFlag{Name: "limit", Value: time.Minute, Usage: "how `LONG` the plugin may take for anything that it is to do"},
			outputFlag(),
		},
		Action: withSettings(verifyPlugin),
	}
}

func verifyPlugin(ctx context.Context, c *cli.Context, _ settings.Settings, log *slog.Logger) error {
	command, err := programOf(c, c.Args().Slice())
	if err != nil {
		return err
	}
	for _, line := range c.StringSlice("say") {
		if !strings.HasPrefix(line, "!") {
			return usagef("--say %q: write a command with its prefix, such as '!greet bob'", line)
		}
	}
	failed, printed := 0, false
	err = verify.Run(ctx, verify.Options{
		Command: command, Name: c.String("name"), Lines: c.StringSlice("say"), Only: c.StringSlice("check"), Limit: c.Duration("limit"), Logger: log,
	}, func(r verify.Result) {
		if r.Outcome == verify.Failed {
			failed++
		}
		if wantJSON(c) {
			_ = encode(c, struct {
				verify.Result
				Seconds json.Number `json:"seconds"`
			}{r, json.Number(fmt.Sprintf("%.1f", r.Took.Seconds()))})
			return
		}
		if !printed {
			fmt.Fprintf(c.App.Writer, "%-14s%-9s%6s  %s\n", "check", "result", "took", "what was seen, and what to do")
			printed = true
		}
		printCheck(c, r)
	})
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if failed > 0 {
		return errUnhealthy
	}
	return nil
}

func printCheck(c *cli.Context, r verify.Result) {
	result, palette := fmt.Sprintf("%-9s", r.Outcome), terminal.Palette(terminal.HasColor(c.App.Writer))
	switch r.Outcome {
	case verify.Failed:
		result = palette.Paint(result, terminal.Red)
	case verify.Skipped:
		result = palette.Paint(result, terminal.Dim)
	}
	fmt.Fprintf(c.App.Writer, "%-14s%s%5.1fs  %s\n", r.Check, result, r.Took.Seconds(), terminal.Escape(r.Detail))
	if r.Remedy != "" {
		fmt.Fprintf(c.App.Writer, "%31s%s\n", "", "-> "+r.Remedy)
	}
}

// programOf returns the program that a command line names after --.
func programOf(c *cli.Context, args []string) (pluginprocess.Command, error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return pluginprocess.Command{}, usagef("give the plugin's program: %s %s, for example -- node ./greeter.js", c.Command.HelpName, c.Command.ArgsUsage)
	}
	here, err := os.Getwd()
	if err != nil {
		return pluginprocess.Command{}, fmt.Errorf("find the current folder: %w", err)
	}
	command := pluginprocess.Command{Args: args, Dir: here, Env: c.StringSlice("env")}
	if err := command.Check(); err != nil {
		return command, &usageError{err}
	}
	for _, pair := range command.Env {
		if !strings.Contains(pair, "=") {
			return command, usagef("--env %s: write NAME=VALUE", pair)
		}
	}
	return command, nil
}
