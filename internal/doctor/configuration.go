package doctor

import (
	"cmp"
	"context"
	"io"
	"net"
	"os"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/console"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry"
)

// checkConfiguration checks what the settings' own checks leave to the parts of the bot.
func (c *checkup) checkConfiguration(context.Context) {
	if c.SettingsError != nil {
		c.fail("correct it: docs/settings.md and rosey run --help list the settings", "%v", c.SettingsError)
		return
	}
	if _, err := telemetry.NewLogger(io.Discard, cmp.Or(c.settings.LogLevel, "info"), c.settings.LogFormat); err != nil {
		c.fail("correct log_level or log_format in the configuration", "%v", err)
	}
	if err := bot.New(c.settings, c.Plugins...).CheckPlugins(); err != nil {
		c.fail("correct plugins in the configuration, or --plugins", "%v", err)
	}
	if address := c.settings.Console; address != "" && address != settings.ConsoleOff {
		access, err := c.settings.ConsoleAccess.Access()
		if err == nil {
			err = settings.ExplainConsole(console.ValidateAccess(address, access))
		}
		if err != nil {
			c.fail("correct console or console_access in the configuration", "%v", err)
		}
	}
	for name, l := range c.settings.StreamLimits() {
		i := slices.IndexFunc(streams.Specs(), func(s streams.Spec) bool { return s.Name == name })
		if i < 0 {
			c.fail("correct retention in "+c.SettingsFile, "retention names a stream %s that does not exist", name)
			continue
		}
		if _, err := streams.Specs()[i].Differences(jetstream.StreamConfig{}, streams.Options{Limits: map[string]streams.Limits{name: l}}); err != nil {
			c.fail("correct retention in "+c.SettingsFile, "stream %s: %v", name, err)
		}
	}
	good := c.bad == 0
	for name, address := range map[string]string{"listen": c.settings.Listen, "metrics": c.settings.Metrics} {
		host, _, err := net.SplitHostPort(address)
		ip := net.ParseIP(host)
		if address != "" && err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			c.warn("use 127.0.0.1, or keep others out with a firewall", "%s is open to the network at %s, without encryption", name, address)
		}
	}
	if _, err := os.Stat(c.SettingsFile); good && err != nil {
		c.ok("defaults, flags and variables; there is no file %s", c.SettingsFile)
	} else if good {
		c.ok("settings from %s", c.SettingsFile)
	}
}

// checkPasswords checks the files that hold secrets.
func (c *checkup) checkPasswords(context.Context) {
	type file struct{ setting, path string }
	access := c.settings.ConsoleAccess
	files := []file{
		{"creds", c.settings.Creds}, {"tls_key", c.settings.TLSKey}, {"console_access.password_file", access.PasswordFile},
		{"console_access.viewer_password_file", access.ViewerPasswordFile}, {"console_access.users_file", access.UsersFile},
	}
	guest := !c.settings.Local() && os.Getenv(settings.PasswordVariable) == ""
	for _, ch := range c.settings.ChannelList() {
		files = append(files, file{"password_file", ch.PasswordFile}, file{"channel_password_file", ch.ChannelPasswordFile})
		guest = guest && ch.PasswordFile == ""
	}
	seen := map[file]bool{}
	for _, f := range files {
		if f.path == "" || seen[f] {
			continue
		}
		seen[f] = true
		info, err := os.Stat(f.path)
		switch {
		case err != nil:
			c.fail("make the file, or correct "+f.setting, "%s: %v", f.setting, err)
		case info.IsDir():
			c.fail("name a file as "+f.setting, "%s: %s is a directory", f.setting, f.path)
		case info.Size() == 0:
			c.warn("write the secret into "+f.path, "%s: %s is empty", f.setting, f.path)
		case info.Mode().Perm()&0o077 != 0:
			c.warn("chmod 600 "+f.path, "others can read %s", f.path)
		default:
			c.ok("%s is readable by its owner alone", f.path)
		}
	}
	if guest {
		c.ok("none: the bot joins as a guest")
	}
}
