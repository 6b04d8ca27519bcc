package cmd

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/doctor"
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
		Flags:  append(settingFlags(), outputFlag()),
		Action: runDoctor,
	}
}

// settingFlags returns the flags of rosey run that are settings.
func settingFlags() (flags []cli.Flag) {
	fields := new(settings.Settings).Flags()
	for _, f := range runFlags() {
		if _, ok := fields[f.Names()[0]]; ok {
			flags = append(flags, f)
		}
	}
	return flags
}

// runDoctor runs all checks and prints what they find as they find it.
func runDoctor(c *cli.Context) (err error) {
	ctx, stop := interruptible(c.Context, c.App.ErrWriter)
	defer stop()
	defer suppressCanceled(ctx, &err, errInterrupted)
	subject := doctor.Subject{Plugins: pluginsOf(c.App)}
	subject.SettingsFile, _ = settingsFile(c)
	subject.Settings, subject.SettingsError = loadSettings(c)
	counts := map[doctor.Result]int{}
	var printing error
	colour := terminal.HasColor(c.App.Writer)
	err = doctor.Run(ctx, subject, func(f doctor.Finding) {
		counts[f.Result]++
		if wantJSON(c) {
			printing = errors.Join(printing, encode(c, f))
		} else {
			printing = errors.Join(printing, printFinding(c.App.Writer, f, colour))
		}
	})
	if err != nil {
		return err
	}
	if printing != nil {
		return fmt.Errorf("print: %w", printing)
	}
	if !wantJSON(c) {
		fmt.Fprintf(c.App.Writer, "%d ok, %d warn, %d FAIL\n", counts[doctor.OK], counts[doctor.Warn], counts[doctor.Fail])
	}
	if counts[doctor.Fail] > 0 {
		return errUnhealthy
	}
	return nil
}

func printFinding(w io.Writer, f doctor.Finding, colour bool) error {
	mark := fmt.Sprintf("%-4s", f.Result)
	if codes := map[doctor.Result]string{doctor.OK: "32", doctor.Warn: "33", doctor.Fail: "31"}; colour {
		mark = "\x1b[" + codes[f.Result] + "m" + mark + "\x1b[0m"
	}
	lines := strings.Split(f.Message, "\n")
	if f.Do != "" {
		lines = append(lines, "→ "+f.Do)
	}
	for i, line := range lines {
		check := f.Check
		if i > 0 {
			mark, check = "    ", ""
		}
		if _, err := fmt.Fprintf(w, "%s  %-13s  %s\n", mark, check, terminal.Escape(line)); err != nil {
			return err
		}
	}
	return nil
}
