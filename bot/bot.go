// Package bot is a whole bot as a value. A program embeds it without a command line:
//
//	err := bot.New(bot.DefaultSettings(), shipped.All()...).Run(ctx)
package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/telemetry"
)

// Settings are the settings of a bot.
type Settings = settings.Settings

// Channel holds the settings of one channel.
type Channel = settings.Channel

// SettingsError is a mistake in the settings, rather than a failure of what they ask for.
type SettingsError = settings.Error

// DefaultSettings returns the settings of a bot that opens a channel of its own.
func DefaultSettings() Settings { return settings.Default() }

// Bot is a bot that can be run. Its fields must not change once it runs.
type Bot struct {
	// Settings configure the bot.
	Settings Settings
	// Plugins are those that Settings.Plugins can name, and run if it names none.
	Plugins []plugins.Plugin
	// Logger logs what happens; New sets slog.Default.
	Logger *slog.Logger
	// Terminal is where a user of the bot's own channel types, if no channel is set.
	Terminal Terminal
	// OnConsole, if set, is called with the console's URL once it is served.
	OnConsole func(url string)

	running atomic.Pointer[composition]
}

// New returns a bot that runs the plugins.
func New(s Settings, plugins ...plugins.Plugin) *Bot {
	return &Bot{Settings: s, Plugins: plugins, Logger: slog.Default()}
}

// Run runs the bot until ctx ends, the input of its own channel ends, or a part of it
// fails for good. It stores in Settings.Store, or on the NATS server that the settings
// name. Mistakes in the settings are a *SettingsError.
func (b *Bot) Run(ctx context.Context) (err error) {
	if err := b.Settings.Check(); err != nil {
		return err
	}
	active, err := b.active(b.Settings)
	if err != nil {
		return err
	}
	c, err := newComposition(ctx, "rosey", b.Settings, b.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	c.plugins, c.shipped, c.terminal = active, b.Plugins, b.Terminal.withDefaults()
	c.programs = newPrograms(c)
	if err := c.open(ctx); err != nil {
		return err
	}
	b.running.Store(c)
	defer b.running.Store(nil)
	g, life, err := c.compose()
	if err != nil {
		return err
	}
	if c.console != nil && b.OnConsole != nil {
		b.OnConsole(c.console.URL())
	}
	return c.server.explain(ctx, g.run(ctx, func(cause error) { life.stop(ctx, c.server.explain(ctx, cause)) }))
}

// Reload gives a running bot new settings. The level of the log, who may use the console, and
// the plugins that are programs change at once; what else differs is logged, as it needs a
// restart. Settings with a mistake change nothing.
func (b *Bot) Reload(s Settings) error {
	c := b.running.Load()
	if c == nil {
		return errors.New("the bot has not started yet")
	}
	if err := s.Check(); err != nil {
		return err
	}
	if _, err := b.active(s); err != nil {
		return err
	}
	if err := telemetry.SetLevel(b.Logger, s.Level()); err != nil {
		return err
	}
	c.access.Store(&s.ConsoleAccess)
	reloadable := func(key string) bool { return key == "log_level" || strings.HasPrefix(key, "console_access.") }
	changed := settings.Changed(b.Settings, s)
	c.programs.reload(s.Plugins)
	before, after := b.Settings, s
	before.Plugins, after.Plugins = before.Plugins.Of(PluginNames(b.Plugins)), after.Plugins.Of(PluginNames(b.Plugins))
	restart := slices.DeleteFunc(settings.Changed(before, after), reloadable)
	if len(restart) > 0 {
		b.Logger.Warn("settings changed that need a restart", "settings", restart)
	}
	b.Logger.Info("settings reloaded", "changed", changed)
	return nil
}

// active returns the plugins that the settings choose. It fails for a plugin that there is
// not, and for settings of one that it does not take.
func (b *Bot) active(of Settings) (chosen []plugins.Plugin, err error) {
	added := map[string]settings.Program{}
	if of.Store != "" {
		added, _ = settings.Added(of.Store) // what is not well, is logged when it would start
	}
	for _, name := range of.Plugins.Named() {
		if _, ok := added[name]; ok {
			continue
		}
		p, err := FindPlugin(b.Plugins, name)
		if err != nil {
			return nil, fmt.Errorf("%w, and none", err)
		}
		if err := checkFile(p, of.Plugins.Values[name]); err != nil {
			return nil, err
		}
	}
	for name := range of.Plugins.Programs {
		if slices.Contains(PluginNames(b.Plugins), name) {
			return nil, settings.Errorf("plugins.%s.run: a plugin that ships has this name: give yours another", name)
		}
	}
	for _, p := range b.Plugins {
		if of.Plugins.Runs(p.Name) {
			chosen = append(chosen, p)
		}
	}
	return chosen, nil
}

// FindPlugin returns the plugin of a name, or a SettingsError that lists the names.
func FindPlugin(list []plugins.Plugin, name string) (plugins.Plugin, error) {
	i := slices.IndexFunc(list, func(p plugins.Plugin) bool { return p.Name == name })
	if i < 0 {
		return plugins.Plugin{}, settings.Errorf("there is no shipped plugin %q: there are %s", name, strings.Join(PluginNames(list), ", "))
	}
	return list[i], nil
}

// CheckPlugins returns an error for a name in Settings.Plugins that no plugin has.
func (b *Bot) CheckPlugins() error {
	_, err := b.active(b.Settings)
	return err
}

// PluginNames returns the names of plugins.
func PluginNames(ps []plugins.Plugin) []string {
	return convert(ps, func(p plugins.Plugin) string { return p.Name })
}

// convert returns what f makes of each element of a list; it is never nil.
func convert[S, T any](list []S, f func(S) T) []T {
	converted := make([]T, 0, len(list))
	for _, e := range list {
		converted = append(converted, f(e))
	}
	return converted
}
