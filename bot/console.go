package bot

import (
	"errors"
	"log/slog"
	"syscall"

	"github.com/rosey-bot/rosey/console"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams"
)

// openConsole opens the console that the settings ask for, or that a local channel
// with an interactive terminal has; it returns nil for none.
func openConsole(s Settings, bus *streams.Bus, store *kvstore.Store, channels channels, local *localChannel, log *slog.Logger) (*console.Console, error) {
	address, given := s.Console, s.Console != ""
	switch {
	case address == settings.ConsoleOff, !given && (local == nil || !local.terminal.Interactive):
		return nil, nil
	case !given:
		address = console.DefaultAddress
	}
	access, err := s.ConsoleAccess.Access()
	if err != nil {
		return nil, err
	}
	config := console.Config{
		Address: address, Access: access, Bus: bus, Store: store, Version: version.String(), TraceURL: s.TraceURL, Logger: log,
	}
	for _, ch := range channels {
		config.Channels = append(config.Channels, ch.forConsole())
	}
	if local != nil {
		config.SendChat = local.sayFromBrowser
	}
	served, err := console.Listen(config)
	if errors.Is(err, syscall.EADDRINUSE) && !given {
		config.Address = "127.0.0.1:0"
		served, err = console.Listen(config)
	}
	return served, err
}

// forConsole returns the channel as the console shows it.
func (c *channel) forConsole() console.Channel {
	isBot := func(user string) bool { return c.IsBot(c.Channel(), user) }
	return console.Channel{
		Name: c.Channel(), Site: c.settings.Site, Prefix: c.settings.Prefix, IsBot: isBot, Problem: func() string { return c.status().Problem },
		Users: func() []console.User {
			var list []console.User
			for _, m := range c.Present() {
				list = append(list, console.User{Name: m.Name, Rank: m.Rank, Bot: isBot(m.Name)})
			}
			return list
		},
	}
}
