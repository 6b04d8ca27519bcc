package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/console"
	"github.com/rosey-bot/rosey/telemetry"
)

// Environment variables that hold a secret themselves, in place of a file's name.
const (
	PasswordVariable              = "ROSEY_PASSWORD"
	channelPasswordVariable       = "ROSEY_CHANNEL_PASSWORD"
	consolePasswordVariable       = "ROSEY_CONSOLE_PASSWORD"
	consoleViewerPasswordVariable = "ROSEY_CONSOLE_VIEWER_PASSWORD"
)

// SecretVariables lists the environment variables that hold secrets.
var SecretVariables = []string{PasswordVariable, channelPasswordVariable, consolePasswordVariable, consoleViewerPasswordVariable}

// Passwords reads the account's password and the channel's, from their files or
// else from the environment.
func (c Channel) Passwords() (account, channel telemetry.Secret, err error) {
	if account, err = secret(c.PasswordFile, PasswordVariable); err == nil {
		channel, err = secret(c.ChannelPasswordFile, channelPasswordVariable)
	}
	if err != nil {
		err = fmt.Errorf("channel %s: %w", c.Name, err)
	}
	return account, channel, err
}

// ConsoleOff is the address that keeps the console of a local channel from being
// served.
const ConsoleOff = "off"

// ConsoleAccess says who may use the console.
type ConsoleAccess struct {
	PasswordFile       string `yaml:"password_file"`        // of operators
	ViewerPasswordFile string `yaml:"viewer_password_file"` // of those who only look
	UsersFile          string `yaml:"users_file"`           // of users with names, see readUsers
	Proxy              Proxy  `yaml:"proxy"`
}

// Proxy is a reverse proxy that signs users of the console in.
type Proxy struct {
	Header    string   `yaml:"header"`    // carries the user's name
	From      []string `yaml:"from"`      // addresses or networks from which Header is believed
	Operators []string `yaml:"operators"` // the others are viewers
}

// Access reads the secrets of the console.
func (a ConsoleAccess) Access() (console.Access, error) {
	operator, err := secret(a.PasswordFile, consolePasswordVariable)
	if err != nil {
		return console.Access{}, err
	}
	viewer, err := secret(a.ViewerPasswordFile, consoleViewerPasswordVariable)
	if err != nil {
		return console.Access{}, err
	}
	accounts, err := readUsers(a.UsersFile)
	if err != nil {
		return console.Access{}, err
	}
	access := console.Access{
		Password: operator.Reveal(), ViewerPassword: viewer.Reveal(), Accounts: accounts,
		Proxy: console.Proxy{Header: a.Proxy.Header, Operators: a.Proxy.Operators},
	}
	for _, text := range a.Proxy.From {
		network, err := netip.ParsePrefix(text)
		if addr, aerr := netip.ParseAddr(text); aerr == nil {
			network, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return console.Access{}, Errorf("console_access: proxy: from: %q is no address or network: write 10.0.0.1 or 10.0.0.0/8", text)
		}
		access.Proxy.From = append(access.Proxy.From, network)
	}
	return access, nil
}

// readUsers reads a file with a user on each line: NAME ROLE HASH, as rosey console hash
// --user writes it. Empty lines and those that begin with # are comments.
func readUsers(file string) (accounts []console.Account, err error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the console's users: %w", err)
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 3 || f[1] != string(console.Operator) && f[1] != string(console.Viewer) || !strings.HasPrefix(f[2], "$argon2id$") {
			return nil, Errorf("%s, line %d: write NAME operator HASH or NAME viewer HASH, as rosey console hash --user NAME prints it", file, number)
		}
		if slices.ContainsFunc(accounts, func(a console.Account) bool { return a.Name == f[0] }) {
			return nil, Errorf("%s, line %d: %s is there twice", file, number, f[0])
		}
		accounts = append(accounts, console.Account{Name: f[0], Role: console.Role(f[1]), Secret: f[2]})
	}
	if len(accounts) == 0 {
		return nil, Errorf("%s names no user", file)
	}
	return accounts, nil
}

// secret reads a secret from a file, or from the environment when there is no
// file. A secret is never a flag's value, where other users could read it.
func secret(file, variable string) (telemetry.Secret, error) {
	if file == "" {
		return telemetry.NewSecret(os.Getenv(variable)), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return telemetry.Secret{}, fmt.Errorf("read a password: %w", err)
	}
	return telemetry.NewSecret(strings.TrimRight(string(text), "\r\n")), nil
}

// ExplainConsole returns an error of console.Listen with what to set instead.
func ExplainConsole(err error) error {
	switch {
	case errors.Is(err, console.ErrUnprotected):
		return fmt.Errorf("%w; set a password (console_access: password_file, or %s) or users (console_access: users_file), "+
			"let a reverse proxy vouch for users (console_access: proxy), or listen on 127.0.0.1", err, consolePasswordVariable)
	case errors.Is(err, console.ErrListen):
		return fmt.Errorf("%w (choose another address with --console)", err)
	}
	return err
}
