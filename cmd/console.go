package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/console"
	"github.com/rosey-bot/rosey/kvstore"
)

// consoleOff is the address of no console, for a local room in a terminal.
const consoleOff = "off"

// consoleAccess says who may use the console.
type consoleAccess struct {
	PasswordFile       string       `yaml:"password_file"`        // of an operator
	ViewerPasswordFile string       `yaml:"viewer_password_file"` // of somebody who only looks
	Proxy              consoleProxy `yaml:"proxy"`
}

// consoleProxy is a reverse proxy that signs users in.
type consoleProxy struct {
	Header    string   `yaml:"header"`    // carries the user's name
	From      []string `yaml:"from"`      // addresses or networks from which it is believed
	Operators []string `yaml:"operators"` // the others are viewers
}

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

// access reads the secrets of who may use the console.
func (a consoleAccess) access() (console.Access, error) {
	operator, err := secret(a.PasswordFile, consolePasswordVariable)
	if err != nil {
		return console.Access{}, err
	}
	viewer, err := secret(a.ViewerPasswordFile, consoleViewerPasswordVariable)
	if err != nil {
		return console.Access{}, err
	}
	access := console.Access{
		Password: operator.Reveal(), ViewerPassword: viewer.Reveal(), Proxy: console.Proxy{Header: a.Proxy.Header, Operators: a.Proxy.Operators},
	}
	for _, text := range a.Proxy.From {
		network, err := netip.ParsePrefix(text)
		if addr, aerr := netip.ParseAddr(text); aerr == nil {
			network, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return console.Access{}, usagef("console_access: proxy: from: %q is no address or network: write 10.0.0.1 or 10.0.0.0/8", text)
		}
		access.Proxy.From = append(access.Proxy.From, network)
	}
	return access, nil
}

// openConsole opens the console that is asked for, or that a local room in a
// terminal has; nil is none.
func openConsole(cfg config, bot *platform, store *kvstore.Store, room *localRoom) (*console.Console, error) {
	address, given := cfg.Console, cfg.Console != ""
	if !given && (room == nil || room.quiet) || address == consoleOff {
		return nil, nil
	}
	if !given {
		address = console.DefaultAddress
	}
	access, err := cfg.ConsoleAccess.access()
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
