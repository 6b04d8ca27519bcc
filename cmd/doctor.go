package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/terminal"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "look for what is wrong with configuration, store, server, site and plugins, and say what to do",
		Description: `Prints a line for each thing looked at: ok, warn or FAIL, and below the last two
what to do next. It changes nothing. Exits with 1 when anything is FAIL. Give it
the settings that the bot runs with:

   rosey doctor
   rosey doctor --config /etc/rosey.yaml --store /srv/rosey
   rosey doctor --nats nats://10.0.0.1 --channel lounge --output json`,
		Flags: append(settingFlags(), outputFlag()),
		Action: func(c *cli.Context) (err error) {
			ctx, stop := interruptible(c.Context, c.App.ErrWriter)
			defer stop()
			defer quietly(ctx, &err, errInterrupted)
			return examine(ctx, c)
		},
	}
}

// settingFlags are the flags of rosey run that are settings.
func settingFlags() (flags []cli.Flag) {
	settings := new(settings.Settings).Flags()
	for _, f := range runCommand().Flags {
		if _, ok := settings[f.Names()[0]]; ok {
			flags = append(flags, f)
		}
	}
	return flags
}

// The results of a finding.
const (
	isOK   = "ok"
	isWarn = "warn"
	isFail = "FAIL"
)

// finding is one thing that was looked at.
type finding struct {
	Check   string `json:"check"`
	Result  string `json:"result"` // ok, warn or FAIL
	Message string `json:"message"`
	Do      string `json:"do,omitempty"` // next
}

// patient is what the checks look at.
type patient struct {
	cfg    settings.Settings
	log    *slog.Logger
	client *client    // nil when no server can be reached
	bot    *botStatus // nil when none runs
	whole  bool       // all streams exist
	denied bool       // the store belongs to another user, which was reported
	unread []string   // durables that nobody reads, which was reported
	report func(finding)
}

func (p *patient) ok(check, format string, args ...any) {
	p.report(finding{check, isOK, fmt.Sprintf(format, args...), ""})
}

func (p *patient) warn(check, do, format string, args ...any) {
	p.report(finding{check, isWarn, fmt.Sprintf(format, args...), do})
}

func (p *patient) fail(check, do, format string, args ...any) {
	p.report(finding{check, isFail, fmt.Sprintf(format, args...), do})
}

// examine runs all checks and prints what they find as they find it.
func examine(ctx context.Context, c *cli.Context) (err error) {
	var counts = map[string]int{}
	p := &patient{log: slog.New(slog.DiscardHandler)}
	p.report = func(f finding) {
		counts[f.Result]++
		err = errors.Join(err, f.print(c.App.Writer, wantJSON(c), terminal.HasColor(c.App.Writer)))
	}
	if p.configuration(c) {
		p.passwords()
		p.store()
		defer p.reach(ctx)()
		for _, check := range []func(context.Context){p.server, p.running, p.streams, p.history, p.replicas, p.consumers, p.deadLetters, p.plugins, p.site} {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			check(ctx)
		}
	}
	p.telemetry(ctx)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if !wantJSON(c) {
		fmt.Fprintf(c.App.Writer, "%d ok, %d warn, %d FAIL\n", counts[isOK], counts[isWarn], counts[isFail])
	}
	if counts[isFail] > 0 {
		return errUnhealthy
	}
	return nil
}

func (f finding) print(w io.Writer, asJSON, colour bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(f)
	}
	mark := fmt.Sprintf("%-4s", f.Result)
	if codes := map[string]string{isOK: "32", isWarn: "33", isFail: "31"}; colour {
		mark = "\x1b[" + codes[f.Result] + "m" + mark + "\x1b[0m"
	}
	lines := strings.Split(f.Message, "\n")
	_, err := fmt.Fprintf(w, "%s  %-13s  %s\n", mark, f.Check, terminal.Escape(lines[0]))
	for _, line := range lines[1:] {
		if err == nil {
			_, err = fmt.Fprintf(w, "      %-13s  %s\n", "", terminal.Escape(line))
		}
	}
	if err == nil && f.Do != "" {
		_, err = fmt.Fprintf(w, "      %-13s  → %s\n", "", terminal.Escape(f.Do))
	}
	return err
}
