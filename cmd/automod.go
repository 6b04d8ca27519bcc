package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/moderation"
	"github.com/rosey-bot/rosey/plugins/moderation/automod"
	"github.com/rosey-bot/rosey/plugins/moderation/trial"
	"github.com/rosey-bot/rosey/replay"
)

func automodCommand() *cli.Command {
	return &cli.Command{
		Name:  "automod",
		Usage: "the rules of the plugin moderation, tried on the past",
		Subcommands: []*cli.Command{{
			Name:      "try",
			Usage:     "whom rules would have hit, how often, and whether moderators acted then",
			ArgsUsage: "[SETTING=VALUE…]",
			Description: `The rules are the settings of the plugin moderation in the channel, also while automod is off,
with what is given in their place. A hit is right if a moderator warned, muted, kicked or
banned the user from a minute before until a quarter of an hour after it, and else a false
alarm. Nothing is done, and nothing is set. rosey settings ls moderation lists the settings.

   rosey automod try --since 30d
   rosey automod try caps=70 flood_lines=5 --since 7d
   rosey automod try links=deny allow_hosts=youtube.com,youtu.be --since 30d --output json
   rosey automod try deny_words='spoilers?' repeat=0 flood_lines=0 caps=0 --hits`,
			Flags: append(rangeFlags(), inChannelFlag(), &cli.BoolFlag{Name: "hits", Usage: "list every hit"}, outputFlag()),
			Action: func(c *cli.Context) error {
				query, err := replayQuery(c)
				if err != nil {
					return err
				}
				given, err := givenRules(c.Args().Slice())
				if err != nil {
					return err
				}
				return reading(func(ctx context.Context, c *cli.Context, cmd command) error {
					return tryRules(ctx, c, cmd, query, given)
				})(c)
			},
		}},
	}
}

// givenRules reads settings as SETTING=VALUE.
func givenRules(args []string) (map[string]json.RawMessage, error) {
	properties, err := pluginsettings.ParseSchema(moderation.New().Registration().Settings)
	if err != nil {
		return nil, err
	}
	given := map[string]json.RawMessage{}
	for _, arg := range args {
		key, text, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, usagef("%s: write SETTING=VALUE, for example caps=70", arg)
		}
		p, err := properties.Find(moderation.Name, strings.TrimPrefix(key, moderation.Name+"."))
		if err != nil {
			return nil, &usageError{err}
		}
		if given[p.Key], err = p.Parse(text); err != nil {
			return nil, &usageError{err}
		}
	}
	return given, nil
}

func tryRules(ctx context.Context, c *cli.Context, cmd command, q replay.Query, given map[string]json.RawMessage) error {
	channel, err := oneChannel(ctx, c, cmd)
	if err != nil {
		return err
	}
	settings, err := trialSettings(ctx, cmd, channel, given)
	if err != nil {
		return err
	}
	rules, err := automod.Compile(settings.Config)
	if err != nil {
		return &usageError{err}
	}
	if q.Since.IsZero() {
		q.Since = time.Now().AddDate(0, 0, -30)
	}
	began := time.Now()
	show, done := readProgress(c)
	report, err := trial.Run(ctx, cmd.JS, trial.Options{Rules: rules, Why: settings.TextWhy, Channel: channel, Since: q.Since, Until: q.Until, Progress: show})
	done()
	if err != nil {
		return replayError(err)
	}
	if report.Lines == 0 {
		return fmt.Errorf("nobody whose rank is below %d said anything in %s since %s", rules.ExemptRank, channel, q.Since.Local().Format(time.DateTime))
	}
	if wantJSON(c) {
		return encode(c, map[string]any{
			"channel": report.Channel, "since": q.Since, "lines": report.Lines, "users": report.Users, "hits": len(report.Hits), "false": report.False(),
			"acts": len(report.Acts), "missed": report.Missed(), "rules": report.ByRule(), "by_user": report.ByUser(), "all_hits": report.Hits,
			"all_acts": report.Acts, "seconds": time.Since(began).Seconds(),
		})
	}
	return printTrial(c, report, time.Since(began))
}

// trialSettings returns the settings of a channel, with those that are given in their place.
func trialSettings(ctx context.Context, cmd command, channel string, given map[string]json.RawMessage) (s moderation.Settings, err error) {
	store, err := pluginsettings.Find(ctx, cmd.JS)
	if err != nil {
		return s, err
	}
	set, err := store.Load(ctx, moderation.Name, channel)
	if err != nil {
		return s, err
	}
	values := map[string]json.RawMessage{}
	maps.Copy(values, set.All.Values)
	maps.Copy(values, set.Channel.Values)
	maps.Copy(values, given)
	if s, err = plugins.DecodeSettings[moderation.Settings](values); err != nil {
		err = &usageError{err}
	}
	return s, err
}

func printTrial(c *cli.Context, r trial.Report, took time.Duration) error {
	w := c.App.Writer
	fmt.Fprintf(w, "%s lines of %s in %s, read in %s: %s, %s\n", humanize.Comma(int64(r.Lines)), english.Plural(r.Users, "user", ""), r.Channel,
		took.Round(10*time.Millisecond), english.Plural(len(r.Hits), "hit", ""), english.Plural(r.False(), "false alarm", ""))
	fmt.Fprintf(w, "moderators acted %s, of which the rules foresaw %d\n", english.Plural(len(r.Acts), "time", ""), len(r.Acts)-r.Missed())
	if len(r.Hits) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\n%s\n", tableOf(r.ByRule(), table.Row{"rule", "hits", "users", "a moderator acted", "false alarms"}, func(r trial.Row) table.Row {
		return table.Row{r.Name, r.Hits, r.Users, r.Right, r.False}
	}))
	users := r.ByUser()
	const most = 20
	fmt.Fprintf(w, "\n%s\n", tableOf(users[:min(most, len(users))], table.Row{"user", "hits", "a moderator acted", "rules", "last step", "first line"}, func(r trial.Row) table.Row {
		return table.Row{r.Name, r.Hits, r.Right, strings.Join(slices.Sorted(slices.Values(r.Rules)), ", "), r.Last, plugins.Shorten(r.Text, 60)}
	}))
	if more := len(users) - most; more > 0 {
		fmt.Fprintf(w, "and %s more: --output json has all\n", english.Plural(more, "user", ""))
	}
	if c.Bool("hits") {
		fmt.Fprintf(w, "\n%s\n", tableOf(r.Hits, table.Row{"time", "user", "rule", "why", "step", "acted", "line"}, func(h trial.Hit) table.Row {
			return table.Row{h.At.Local().Format(time.DateTime), h.User, h.Rule, h.Why, h.Step, h.Acted, plugins.Shorten(h.Text, 60)}
		}))
	}
	return nil
}
