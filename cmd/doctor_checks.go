package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/console"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/telemetry"
)

// Limits past which something is worth a warning or a failure.
const (
	littleSpace = 1 << 30 // bytes free on the store's disk
	dialTimeout = 2 * time.Second
)

// configuration reports whether there is one to go on with.
func (p *patient) configuration(c *cli.Context) bool {
	const check = "configuration"
	path, _ := settingsFile(c)
	var err error
	if p.cfg, err = loadSettings(c); err != nil {
		p.fail(check, "correct it: docs/settings.md and rosey run --help list the settings", "%v", err)
		return false
	}
	good := true
	fail := func(do, format string, args ...any) {
		good = false
		p.fail(check, do, format, args...)
	}
	if _, err := newLogger(c, p.cfg, "info"); err != nil {
		fail("correct log_level or log_format in the configuration", "%v", err)
	}
	if _, err := choosePlugins(catalogOf(c.App), p.cfg.Plugins); err != nil {
		fail("correct plugins in the configuration, or --plugins", "%v", err)
	}
	if address := p.cfg.Console; address != "" && address != settings.ConsoleOff {
		access, err := p.cfg.ConsoleAccess.Access()
		if err == nil {
			err = console.ValidateAccess(address, access)
		}
		if err != nil {
			fail("correct console or console_access in the configuration", "%v", err)
		}
	}
	for name, l := range p.cfg.StreamLimits() {
		i := slices.IndexFunc(streams.Specs(), func(s streams.Spec) bool { return s.Name == name })
		if i < 0 {
			fail("correct retention in "+path, "retention names a stream %s that does not exist", name)
			continue
		}
		if _, err := streams.Specs()[i].Differences(jetstream.StreamConfig{}, streams.Options{Limits: map[string]streams.Limits{name: l}}); err != nil {
			fail("correct retention in "+path, "stream %s: %v", name, err)
		}
	}
	for name, address := range map[string]string{"listen": p.cfg.Listen, "metrics": p.cfg.Metrics} {
		host, _, err := net.SplitHostPort(address)
		ip := net.ParseIP(host)
		if address != "" && err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			p.warn(check, "use 127.0.0.1, or keep others out with a firewall", "%s is open to the network at %s, without encryption", name, address)
		}
	}
	if !good {
		return true
	}
	if _, err := os.Stat(path); err != nil {
		p.ok(check, "defaults, flags and variables; there is no file %s", path)
		return true
	}
	p.ok(check, "settings from %s", path)
	return true
}

// passwords looks at the files that hold secrets.
func (p *patient) passwords() {
	const check = "passwords"
	type file struct{ setting, path string }
	files := []file{{"creds", p.cfg.Creds}, {"tls_key", p.cfg.TLSKey}}
	guest := !p.cfg.Local() && os.Getenv(settings.PasswordVariable) == ""
	for _, c := range p.cfg.ChannelList() {
		files = append(files, file{"password_file", c.PasswordFile}, file{"channel_password_file", c.ChannelPasswordFile})
		guest = guest && c.PasswordFile == ""
	}
	looked := map[file]bool{}
	for _, f := range files {
		if f.path == "" || looked[f] {
			continue
		}
		looked[f] = true
		info, err := os.Stat(f.path)
		switch {
		case err != nil:
			p.fail(check, "make the file, or correct "+f.setting, "%s: %v", f.setting, err)
		case info.IsDir():
			p.fail(check, "name a file as "+f.setting, "%s: %s is a directory", f.setting, f.path)
		case info.Size() == 0:
			p.warn(check, "write the secret into "+f.path, "%s: %s is empty", f.setting, f.path)
		case info.Mode().Perm()&0o077 != 0:
			p.warn(check, "chmod 600 "+f.path, "others can read %s", f.path)
		default:
			p.ok(check, "%s is readable by its owner alone", f.path)
		}
	}
	if guest {
		p.ok(check, "none: the bot joins as a guest")
	}
}

// store looks at the directory of the embedded server.
func (p *patient) store() {
	const check = "store"
	dir := p.cfg.Store
	if p.cfg.External() {
		p.ok(check, "an external server keeps everything")
		return
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := existing(dir)
		if err := writable(parent); err != nil {
			p.fail(check, "make "+dir+" as the user that runs the bot, or choose another with --store", "%s does not exist, and %v", dir, err)
			return
		}
		p.ok(check, "%s does not exist yet; rosey run makes it", dir)
	case errors.Is(err, fs.ErrPermission):
		p.denied = true
		p.fail(check, connect.AsItsOwner, "%v", err)
		return
	case err != nil:
		p.fail(check, "choose another directory with --store", "%v", err)
		return
	case !info.IsDir():
		p.fail(check, "choose another directory with --store", "%s is not a directory", dir)
		return
	case snapshot.Is(dir):
		p.fail(check, "restore it: rosey restore "+dir+" --store DIR", "%s is a backup, on which no bot can run", dir)
		return
	case unfinished(dir):
		p.fail(check, "remove the directory and restore again", "the restore into %s was broken off", dir)
		return
	default:
		switch err := writable(dir); {
		case errors.Is(err, fs.ErrPermission):
			p.denied = true
			p.fail(check, connect.AsItsOwner, "%v", err)
		case err != nil:
			p.fail(check, "look at the store's disk", "%v", err)
		default:
			p.ok(check, "%s is there and can be written to", dir)
		}
		if info.Mode().Perm()&0o077 != 0 {
			p.warn(check, "chmod 700 "+dir, "others can look into %s", dir)
		}
	}
	free, total := embedded.DiskSpace(existing(dir))
	text := humanize.IBytes(free) + " of " + humanize.IBytes(total) + " free on its disk"
	switch {
	case total == 0:
	case free < uint64(p.cfg.StoreReserve):
		p.fail(check, "make room, shorten retention, or lower store_reserve: nothing new is stored", "%s, less than store_reserve, %s", text, humanize.IBytes(uint64(p.cfg.StoreReserve)))
	case free < littleSpace:
		p.warn(check, "make room, or shorten retention in the configuration", "%s", text)
	default:
		p.ok(check, "%s", text)
	}
}

// existing is the nearest directory at or above dir that exists.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".rosey-doctor-")
	if err != nil {
		return fmt.Errorf("%s cannot be written to: %w", dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// telemetry looks at OpenTelemetry's variables.
func (p *patient) telemetry(ctx context.Context) {
	const check = "telemetry"
	tel, err := telemetry.Setup(ctx, telemetry.Config{Service: "rosey-doctor", Version: version(), Logger: p.log, Console: io.Discard})
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			p.fail(check, "correct the variable, or unset it", "%s", line)
		}
		return
	}
	defer tel.Shutdown(context.WithoutCancel(ctx))
	if len(tel.Targets) == 0 {
		p.ok(check, "tracing is off, as no OTEL_EXPORTER_OTLP_ENDPOINT is set")
	}
	for _, target := range tel.Targets {
		address, _, _ := strings.Cut(target, " ")
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			p.ok(check, "spans go to %s", target)
			continue
		}
		port := u.Port()
		if port == "" {
			port = u.Scheme
		}
		conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
		if err != nil {
			p.warn(check, "start the collector, or correct the variable", "spans go to %s, which does not answer: they are lost meanwhile", target)
			continue
		}
		conn.Close()
		p.ok(check, "spans go to %s", target)
	}
}
