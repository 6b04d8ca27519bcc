package cmd

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/plugins"
	pluginprocess "github.com/rosey-bot/rosey/plugins/process"
)

func runPlugin(c *cli.Context) error {
	p, err := pluginToRun(c)
	if err != nil {
		return err
	}
	return withSettings(func(ctx context.Context, c *cli.Context, s settings.Settings, _ *slog.Logger) error {
		// Elsewhere NATS_URL is for other tools.
		if url := os.Getenv("NATS_URL"); url != "" && os.Getenv(pluginprocess.NameVariable) != "" && !c.IsSet("store") && !c.IsSet("nats") {
			s.NATS, s.Creds = url, os.Getenv("NATS_CREDS")
		}
		if !s.External() {
			if err := client.CheckStore(s.Store); err != nil {
				return err
			}
		}
		log, err := newLogger(c, s, "info")
		if err != nil {
			return err
		}
		// The address in the settings is the bot's.
		err = botError(bot.RunPlugin(ctx, s, p, c.String("metrics"), log))
		suppressCanceled(ctx, &err, nil) // it was to run until then
		return err
	})(c)
}

// pluginToRun returns the plugin that is named, or the only one where a bot started this
// process, under the name that the bot gave to it.
func pluginToRun(c *cli.Context) (plugins.Plugin, error) {
	name, list := os.Getenv(pluginprocess.NameVariable), pluginsOf(c.App)
	switch {
	case c.Args().Len() > 1, c.Args().Len() == 0 && name == "":
		return plugins.Plugin{}, usagef("give one plugin: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
	case c.Args().Len() == 0 && len(list) == 1:
		return renamed(list[0], name), nil
	case c.Args().Len() == 0:
		return bot.FindPlugin(list, name)
	}
	p, err := bot.FindPlugin(list, c.Args().First())
	if err == nil && name != "" {
		p = renamed(p, name)
	}
	return p, err
}

// renamed returns a plugin under another name, with its subscriptions to its own events.
func renamed(p plugins.Plugin, name string) plugins.Plugin {
	own, renamed := event.EventSubject(p.Name), event.EventSubject(name)
	p.Events = slices.Clone(p.Events)
	for i, s := range p.Events {
		if s.Subject == own || strings.HasPrefix(s.Subject, own+".") {
			p.Events[i].Subject = renamed + strings.TrimPrefix(s.Subject, own)
		}
	}
	p.Name = name
	return p
}
