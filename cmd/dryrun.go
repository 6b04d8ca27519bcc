package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/telemetry"
)

// dryRunFlags are the flags of rosey replay that make it a dry run.
func dryRunFlags() []cli.Flag {
	const category = "Dry run: a plugin's current code on these events, in a sandbox"
	return []cli.Flag{
		&cli.StringFlag{Name: "into", Usage: "show what the plugin `NAME` would say now beside what was said; exit code 1 on a difference", Category: category},
		&cli.StringSliceFlag{Name: "set", Aliases: []string{"setting"}, Usage: "run it with another setting, as `KEY=VALUE`, in all channels; without, they are the recorded ones", Category: category},
		&cli.StringFlag{Name: "save", Usage: "also write events, database and what was said to `FILE`; with --case, what is said now", Category: category},
		&cli.StringFlag{Name: "case", Usage: "take the events from `FILE`, which --save wrote, and need no bot", Category: category},
	}
}

// orDryRun makes an action of rosey replay that does a dry run where the flags
// ask for one.
func orDryRun(action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.String("into") == "" {
			if c.IsSet("into") || c.IsSet("case") || c.IsSet("save") || c.IsSet("set") {
				return usagef("a dry run needs a plugin: add --into NAME, one of %s", strings.Join(bot.PluginNames(pluginsOf(c.App)), ", "))
			}
			return action(c)
		}
		p, err := dryRunPlugin(c)
		if err != nil {
			return err
		}
		if c.IsSet("case") {
			return withSettings(func(ctx context.Context, c *cli.Context, s settings.Settings, _ *slog.Logger) error {
				return dryRunOnFile(ctx, c, s, p)
			})(c)
		}
		return ofRange(func(ctx context.Context, c *cli.Context, cmd command, query replay.Query) error {
			return dryRunOnStreams(ctx, c, cmd, query, p)
		})(c)
	}
}

// dryRunPlugin checks the flags and finds the plugin.
func dryRunPlugin(c *cli.Context) (plugins.Plugin, error) {
	excluded := []string{"follow", "tree", "summary", "export-otlp"}
	if c.IsSet("case") {
		excluded = append(excluded, "since", "until", "subject", "channel", "user", "plugin", "correlation", "grep")
	}
	for _, flag := range excluded {
		switch {
		case c.IsSet(flag) && c.IsSet("case"):
			return plugins.Plugin{}, usagef("--%s and --case do not go together: a case has its own events", flag)
		case c.IsSet(flag):
			return plugins.Plugin{}, usagef("--%s and --into do not go together", flag)
		}
	}
	return bot.FindPlugin(pluginsOf(c.App), c.String("into"))
}

func dryRunOnStreams(ctx context.Context, c *cli.Context, cmd command, query replay.Query, p plugins.Plugin) error {
	show, done := readProgress(c)
	kase, err := dryrun.Record(ctx, cmd.JS, p, query.Filter, show)
	done()
	if err != nil {
		return replayError(err)
	}
	return dryRun(ctx, c, cmd.settings, p, kase)
}

func dryRunOnFile(ctx context.Context, c *cli.Context, s settings.Settings, p plugins.Plugin) error {
	f, err := os.Open(c.String("case"))
	if err != nil {
		return usagef("--case: %w", err)
	}
	defer f.Close()
	kase, err := dryrun.Load(f)
	if errors.Is(err, dryrun.ErrNotCase) || errors.Is(err, dryrun.ErrNoEvents) {
		err = fmt.Errorf("%w: name a file that rosey replay --save made", err)
	}
	if err != nil {
		return usagef("--case %s: %w", c.String("case"), err)
	}
	return dryRun(ctx, c, s, p, kase)
}

// dryRunSettings returns the settings that the flags give, as KEY=VALUE or PLUGIN.KEY=VALUE.
func dryRunSettings(c *cli.Context, plugin string) (list []router.Setting, err error) {
	for _, text := range c.StringSlice("set") {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usagef("--set %s: write KEY=VALUE, for example questions=5", text)
		}
		list = append(list, router.Setting{Plugin: plugin, Key: strings.TrimPrefix(key, plugin+"."), Text: value, By: "dry run"})
	}
	return list, nil
}

// dryRun runs the plugin, prints the results and saves the case.
func dryRun(ctx context.Context, c *cli.Context, s settings.Settings, p plugins.Plugin, kase *dryrun.Case) (err error) {
	log, err := newLogger(c, s, "error")
	if err != nil {
		return err
	}
	tel, err := telemetry.Setup(ctx, telemetry.Config{Service: "rosey-dry-run", Version: version.String(), Logger: log})
	if err != nil {
		return &usageError{err}
	}
	defer func() { err = errors.Join(err, tel.Shutdown(context.WithoutCancel(ctx))) }()
	set, err := dryRunSettings(c, p.Name)
	if err != nil {
		return err
	}
	show, done := progressLine(c.App.ErrWriter, "ran")
	counts := map[dryrun.Status]int{}
	ran := 0
	for r, err := range dryrun.Run(ctx, kase, p, dryrun.Options{Others: pluginsOf(c.App), Settings: set, Tracer: tel.Tracer("dryrun"), Logger: log}) {
		if err != nil {
			done()
			if event.CodeOf(err) == event.InvalidInput {
				return &usageError{err}
			}
			return fmt.Errorf("dry run: %w", err)
		}
		ran++
		counts[r.Status()]++
		if err := printResult(c, r); err != nil {
			return err
		}
		if c.IsSet("case") && c.IsSet("save") {
			kase.Accept(r)
		}
		if !isTerminal(c.App.Writer) {
			show(ran, len(kase.Events))
		}
	}
	done()
	if n := kase.ApproximateRecords(); n > 0 {
		fmt.Fprintf(c.App.ErrWriter, "rosey: the history of %d record(s) does not reach back to then: they were taken as they are known\n", n)
	}
	if absent := kase.MissingCollections(); len(absent) > 0 {
		fmt.Fprintf(c.App.ErrWriter, "rosey: the case knows nothing of %s, which the plugin uses now: make the case anew\n", strings.Join(absent, ", "))
	}
	if path := c.String("save"); path != "" {
		if err := saveCase(path, kase); err != nil {
			return err
		}
	}
	if err := printCounts(c, ran, counts); err != nil {
		return err
	}
	if counts[dryrun.Same]+counts[dryrun.Excluded] < ran {
		return errUnhealthy
	}
	return nil
}

func printResult(c *cli.Context, r dryrun.Result) error {
	if wantJSON(c) {
		return encode(c, r)
	}
	return r.WriteText(c.App.Writer, terminal.HasColor(c.App.Writer), time.Local)
}

func printCounts(c *cli.Context, ran int, counts map[dryrun.Status]int) error {
	statuses := []dryrun.Status{dryrun.Same, dryrun.Changed, dryrun.Missing, dryrun.New, dryrun.Excluded}
	if wantJSON(c) {
		row := map[string]int{"events": ran}
		for _, s := range statuses {
			if s != dryrun.Excluded || counts[s] > 0 {
				row[string(s)] = counts[s]
			}
		}
		return encode(c, map[string]any{"summary": row})
	}
	var parts []string
	for _, s := range statuses {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	_, err := fmt.Fprintf(c.App.Writer, "%d event(s): %s\n", ran, strings.Join(parts, ", "))
	return err
}

// saveCase replaces the file only when all of the new one is there: it may be
// the one that was read.
func saveCase(path string, kase *dryrun.Case) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return usagef("--save: %w", err)
	}
	if err = errors.Join(kase.Save(f), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("save the case: %w", err), os.Remove(f.Name()))
	}
	return nil
}
