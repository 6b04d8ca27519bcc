package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/console"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/kvstore"
)

func consoleCommand() *cli.Command {
	return &cli.Command{
		Name:  "console",
		Usage: "settings of the browser console, which rosey run --console serves",
		Subcommands: []*cli.Command{{
			Name:  "hash",
			Usage: "make an argon2id hash of the password on stdin, to be kept in a password file",
			Description: `   rosey console hash > console.hash
   ROSEY_CONSOLE_PASSWORD="$(cat console.hash)" rosey run --console 0.0.0.0:8484 --channel mychannel`,
			Action: hashPassword,
		}},
	}
}

func hashPassword(c *cli.Context) error {
	if isTerminal(c.App.Reader) {
		fmt.Fprintln(c.App.ErrWriter, "Type the password and Ctrl-D; it is shown as you type.")
	}
	text, err := io.ReadAll(io.LimitReader(c.App.Reader, 4096))
	if err != nil {
		return fmt.Errorf("read the password: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return usagef("give the password on stdin: rosey console hash < FILE")
	}
	fmt.Fprintln(c.App.Writer, console.HashPassword(password))
	return nil
}

// openConsole opens the console that is asked for, or that a local room in a
// terminal has; nil is none.
func openConsole(cfg settings.Settings, bot *platform, store *kvstore.Store, room *localRoom) (*console.Console, error) {
	address, given := cfg.Console, cfg.Console != ""
	if !given && (room == nil || room.quiet) || address == settings.ConsoleOff {
		return nil, nil
	}
	if !given {
		address = console.DefaultAddress
	}
	access, err := cfg.ConsoleAccess.Access()
	if err != nil {
		return nil, err
	}
	settings := console.Config{
		Address: address, Access: access, Bus: bot.bus, Store: store, Version: version(), TraceURL: cfg.TraceURL, Logger: bot.log,
	}
	for _, ch := range bot.channels {
		settings.Channels = append(settings.Channels, ch.forConsole())
	}
	if room != nil {
		settings.SendChat = room.sayFromBrowser
	}
	served, err := console.Listen(settings)
	if errors.Is(err, syscall.EADDRINUSE) && !given {
		settings.Address = "127.0.0.1:0"
		served, err = console.Listen(settings)
	}
	return served, err
}

// forConsole is the channel as the console sees it.
func (c *channel) forConsole() console.Channel {
	name := c.Connector.Channel()
	isBot := func(user string) bool { return c.IsBot(name, user) }
	return console.Channel{
		Name: name, Site: c.Site, Prefix: c.Prefix, IsBot: isBot, Problem: func() string { return c.status().Problem },
		Users: func() []console.User {
			var list []console.User
			for _, m := range c.Present() {
				list = append(list, console.User{Name: m.Name, Rank: m.Rank, Bot: isBot(m.Name)})
			}
			return list
		},
	}
}

// sayFromBrowser speaks a line as the terminal's own would be spoken.
func (l *localRoom) sayFromBrowser(ctx context.Context, line string) error {
	if strings.ContainsFunc(line, func(r rune) bool { return r == '\n' || r == '\r' }) {
		return usagef("one line at a time")
	}
	if !asSomebody.MatchString(line) {
		l.mu.Lock()
		l.elsewhere[line]++
		l.mu.Unlock()
	}
	return l.speak(ctx, line)
}
