package bot

import (
	"context"
	"errors"
	"syscall"

	"github.com/rosey-bot/rosey/console"
	"github.com/rosey-bot/rosey/consumers/router"
	cytubechannel "github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/version"
)

// openConsole opens the console that the settings ask for, or that a local channel
// with an interactive terminal has.
func (c *composition) openConsole(context.Context) error {
	s := c.settings
	address, given := s.Console, s.Console != ""
	switch {
	case address == settings.ConsoleOff, !given && (c.local == nil || !c.terminal.Interactive):
		return nil
	case !given:
		address = console.DefaultAddress
	}
	access, err := s.ConsoleAccess.Access()
	if err != nil {
		return err
	}
	c.access.Store(&s.ConsoleAccess)
	config := console.Config{
		Address: address, Access: access, LoadAccess: func() (console.Access, error) { return c.access.Load().Access() }, Bus: c.bus, Store: c.database.Store(), Settings: c.pluginSettings, Channels: convert(c.channels, c.forConsole),
		Version: version.String(), TraceURL: s.TraceURL, Processes: c.programs.states, Logger: c.log,
	}
	if c.local != nil {
		config.SendChat = c.local.sayFromBrowser
	}
	c.console, err = console.Listen(config)
	if errors.Is(err, syscall.EADDRINUSE) && !given {
		config.Address = "127.0.0.1:0"
		c.console, err = console.Listen(config)
	}
	return err
}

// forConsole returns a channel as the console shows it.
func (c *composition) forConsole(ch *channel) console.Channel {
	isBot := func(user string) bool { return ch.IsBot(ch.Channel(), user) }
	return console.Channel{
		Name: ch.Channel(), Site: ch.settings.Site, Prefix: ch.settings.Prefix, IsBot: isBot, Problem: func() string { return ch.status().Problem },
		Stats: ch.Stats,
		Lacks: func(ctx context.Context) []string {
			registered, err := router.List(ctx, c.bus.JetStream())
			if err != nil {
				return []string{"the plugins' registrations cannot be read: " + err.Error()}
			}
			return convert(ch.lacks(registered), Lack.String)
		},
		Users: func() []console.User {
			return convert(ch.Present(), func(m cytubechannel.Member) console.User {
				return console.User{Name: m.Name, Rank: m.Rank, Bot: isBot(m.Name)}
			})
		},
	}
}
