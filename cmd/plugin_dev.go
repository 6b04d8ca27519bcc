package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dev"
	"github.com/rosey-bot/rosey/plugins/host"
	pluginprocess "github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams/connect"
)

// devInterval is how often the bot and the plugin are looked for when they start.
const devInterval = 100 * time.Millisecond

func devPluginCommand() *cli.Command {
	return &cli.Command{
		Name:      "dev",
		Usage:     "work on a plugin: restart it at each change, beside a local channel in the terminal",
		ArgsUsage: "[DIR] [-- COMMAND…]",
		Description: `Opens a local channel, in which you type and the plugin answers, and builds and restarts the plugin when a
file in DIR (default: here) changes. What does not compile is shown, and the last one that did goes on.
What the plugin stored stays, in DIR/.rosey.

   rosey plugin new greeter && rosey plugin dev greeter
   rosey plugin dev -- node ./greeter.js
   rosey plugin dev ./greeter -- python3 greeter.py`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "main", Usage: "the Go program with the plugin is in `PACKAGE`, such as ./cmd/rosey (default: the module's only one)"},
			&cli.StringFlag{Name: "plugin", Usage: "run the plugin `NAME` of the Go program (default: its only one that does not ship with Rosey)"},
			&cli.StringSliceFlag{Name: "env", Usage: "give the program a variable, as `NAME=VALUE`; may be repeated"},
		},
		Action: devPlugin,
	}
}

func devPlugin(c *cli.Context) (err error) {
	d, err := newDeveloper(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context, c.App.ErrWriter)
	defer stop()
	defer suppressCanceled(ctx, &err, nil)
	var running sync.WaitGroup
	defer running.Wait()
	working, end := context.WithCancel(ctx)
	defer end()
	open := make(chan struct{})
	running.Go(func() { d.loop(working) })
	running.Go(func() {
		defer close(open)
		d.awaitPlugin(working)
	})
	interactive := isTerminal(c.App.Reader)
	b := bot.New(d.settings, d.shipped()...)
	b.Logger = d.log
	b.Terminal = bot.Terminal{
		In: dev.Gate{Reader: c.App.Reader, Open: open}, Out: c.App.Writer, Notices: c.App.ErrWriter, Interactive: interactive, Optional: true,
	}
	b.OnConsole = func(url string) { fmt.Fprintf(c.App.ErrWriter, "The console is at %s\n", url) }
	return botError(b.Run(ctx))
}

// developer is who works on one plugin.
type developer struct {
	c        *cli.Context
	settings settings.Settings
	log      *slog.Logger
	dir      string
	args     []string // of the program; none is a Go module's
	program  string   // that is built
}

func newDeveloper(c *cli.Context) (*developer, error) {
	d := &developer{c: c, dir: ".", args: c.Args().Slice()}
	if len(d.args) > 0 {
		if info, err := os.Stat(d.args[0]); err == nil && info.IsDir() {
			d.dir, d.args = d.args[0], d.args[1:]
		}
	}
	if len(d.args) > 0 && d.args[0] == "--" {
		d.args = d.args[1:]
	}
	var err error
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return nil, err
	}
	if len(d.args) == 0 {
		if _, err := os.Stat(filepath.Join(d.dir, "go.mod")); err != nil {
			return nil, usagef("there is no go.mod in %s: make a plugin with rosey plugin new, or name its program: %s -- node ./greeter.js", d.dir, c.Command.HelpName)
		}
	}
	if d.settings, err = runSettings(c); err != nil {
		return nil, err
	}
	s := &d.settings
	if !c.IsSet("store") {
		s.Store = filepath.Join(d.dir, ".rosey")
	}
	s.Channel.Name, s.Channels, s.Plugins, s.NATS, s.Context = "", nil, settings.Plugins{}, "", ""
	d.program = filepath.Join(s.Store, "dev", "plugin")
	d.log, err = newLogger(c, *s, "warn")
	return d, err
}

// shipped returns the plugins that the bot runs itself.
func (d *developer) shipped() (list []plugins.Plugin) {
	for _, p := range pluginsOf(d.c.App) {
		if strings.HasPrefix(packageOf(p), shippedPackages) {
			list = append(list, p)
		}
	}
	return list
}

// loop builds and runs the plugin until ctx ends.
func (d *developer) loop(ctx context.Context) {
	loop := dev.Loop{Notices: d.c.App.ErrWriter, Supervisor: &pluginprocess.Supervisor{
		Command: pluginprocess.Command{Plugin: filepath.Base(d.dir), Args: d.args, Dir: d.dir, Log: slog.New(printer{d.c.App.ErrWriter})},
		Prepare: d.prepare,
	}}
	if len(d.args) == 0 {
		main := d.c.String("main")
		loop.Build = func(ctx context.Context) (changed bool, err error) {
			if main == "" {
				if main, err = dev.MainPackage(ctx, d.dir); err != nil {
					return false, err
				}
			}
			return dev.GoBuild(d.dir, main, d.program)(ctx)
		}
	}
	if err := loop.Run(ctx); err != nil {
		fmt.Fprintf(d.c.App.ErrWriter, "rosey: %s\n", err)
	}
}

// prepare completes the program's command once the bot's server is there.
func (d *developer) prepare(ctx context.Context, c *pluginprocess.Command) error {
	info, err := retry.Value(ctx, retry.Every(devInterval), func(context.Context) (connect.ServerInfo, error) { return connect.Find(d.settings.Store) })
	if err != nil {
		return err
	}
	// Settings of another bot are not for this one.
	c.Env = slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, variablePrefix) })
	c.Env = append(c.Env, "NATS_URL="+info.URL, "NATS_USER="+info.User, "NATS_PASSWORD="+info.Password, "ROSEY_STORE="+d.settings.Store)
	c.Env = append(c.Env, d.c.StringSlice("env")...)
	if len(d.args) > 0 {
		return nil
	}
	name, err := d.pluginName(ctx)
	c.Args = []string{d.program, "plugin", "run", name, "--log-level", "warn"}
	return err
}

// pluginName returns the plugin of the built program that does not ship with Rosey.
func (d *developer) pluginName(ctx context.Context) (string, error) {
	if name := d.c.String("plugin"); name != "" {
		return name, nil
	}
	out, err := exec.CommandContext(ctx, d.program, "plugin", "ls", "--built-in", "--output", "json").Output()
	if err != nil {
		return "", fmt.Errorf("list the plugins of %s: %w", d.program, err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		var b builtIn
		if err := json.Unmarshal([]byte(line), &b); err != nil {
			return "", fmt.Errorf("list the plugins of %s: %w", d.program, err)
		}
		if !strings.HasPrefix(b.Package, shippedPackages) {
			names = append(names, b.Name)
		}
	}
	switch len(names) {
	case 1:
		return names[0], nil
	case 0:
		return "", errors.New("the program has no plugin of its own: give one to cmd.Main")
	}
	return "", fmt.Errorf("the program has several plugins of its own: name one with --plugin, %s", strings.Join(names, " or "))
}

// awaitPlugin returns once a plugin runs that is not the bot's own.
func (d *developer) awaitPlugin(ctx context.Context) {
	_ = retry.Do(ctx, retry.Every(devInterval), func(ctx context.Context) (err error) {
		cl, err := client.Connect(ctx, d.settings, "rosey plugin dev", d.log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cl.Close()) }()
		list, err := host.Statuses(ctx, cl.Conn, cl.JS)
		if err == nil && !slices.ContainsFunc(list, func(s host.Status) bool {
			return s.State == host.StateRunning && !slices.ContainsFunc(d.shipped(), func(p plugins.Plugin) bool { return p.Name == s.Name })
		}) {
			err = errors.New("no plugin runs yet")
		}
		return err
	})
}

// printer is a handler of logs that prints what the plugin writes as it is, and what
// befalls its process as a line.
type printer struct{ w io.Writer }

// Enabled implements slog.Handler.
func (printer) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (p printer) Handle(_ context.Context, r slog.Record) error {
	text, line := "plugin: "+r.Message, ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "line" {
			line = a.Value.String()
		}
		text += " " + a.String()
		return true
	})
	if line != "" {
		text = line
	}
	_, err := fmt.Fprintln(p.w, text)
	return err
}

// WithAttrs implements slog.Handler.
func (p printer) WithAttrs([]slog.Attr) slog.Handler { return p }

// WithGroup implements slog.Handler.
func (p printer) WithGroup(string) slog.Handler { return p }
