package cmd

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/telemetry"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "start the bot; without a channel it opens a local channel in the terminal",
		Description: `In the local channel each line you type is chat; "alice: hello" speaks as alice and
everything else as operator, an admin of the channel. It works through pipes too.

   rosey run
   echo '!roll 2d6+3' | rosey run --local
   ROSEY_PASSWORD=... rosey run --channel mychannel --user rosey
   rosey run --nats nats://10.0.0.1,nats://10.0.0.2 --channel mychannel --user rosey
   rosey run --config rosey.yaml            several channels: a list, channels:, in the file
   rosey run --channel mychannel --console 127.0.0.1:8484     a page in the browser, too

At SIGHUP the level of the log, who may use the console, and the plugins that are programs
are read again; the log says which other changes need a restart.

Tracing follows OpenTelemetry's OTEL_* variables and is off when none is set.`,
		Flags:  runFlags(),
		Action: runBot,
	}
}

func runFlags() []cli.Flag {
	text := func(name, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, EnvVars: []string{envName(name)}}
	}
	return []cli.Flag{
		text("site", "CyTube site, as `URL` (default: https://cytu.be)"),
		text("channel", "join the channel `NAME`"),
		text("channel-password-file", "`FILE` with the channel's password, if it has one (or ROSEY_CHANNEL_PASSWORD)"),
		text("user", "log in as `NAME` (default: rosey)"),
		text("password-file", "`FILE` with the account's password (or ROSEY_PASSWORD); without one the bot is a guest"),
		text("prefix", "what commands start with (default: !)"),
		&cli.BoolFlag{Name: "local", Usage: "open a local channel, whatever channel is configured"},
		&cli.StringFlag{Name: "listen-channel", Aliases: []string{"listen-room"}, Usage: "also open the local channel to websocket clients at `ADDR`, such as 127.0.0.1:8080"},
		&cli.StringSliceFlag{Name: "plugins", Usage: "run only the plugins `NAME,NAME…` in this process", EnvVars: []string{"ROSEY_PLUGINS"}},
		text("listen", "`ADDR` of the embedded NATS server (default: a free port of 127.0.0.1)"),
		&cli.BoolFlag{Name: "sync-always", Usage: "write each event to disk before it is acknowledged: survives a power cut, costs speed", EnvVars: []string{"ROSEY_SYNC_ALWAYS"}},
		&cli.IntFlag{Name: "replicas", Value: 1, Usage: "keep `N` copies of everything, in an external cluster", EnvVars: []string{"ROSEY_REPLICAS"}},
		text("lease-term", "on an external server, how long a dead bot's channels wait for another bot (default: 15s)"),
		text("heartbeat", "time between two platform.heartbeat events (default: 60s)"),
		text("metrics", "serve /metrics, /healthz and /readyz at `ADDR`, such as 127.0.0.1:9464"),
		text("console", "serve the browser console at `ADDR`, such as 127.0.0.1:8484, or off (a local channel in a terminal has one)"),
		text("console-password-file", "`FILE` with the console's password, or its hash, for operators (or ROSEY_CONSOLE_PASSWORD)"),
		text("console-viewer-password-file", "`FILE` with that for those who only look (or ROSEY_CONSOLE_VIEWER_PASSWORD)"),
		text("trace-url", "where a tracing backend shows a trace, as a `URL` with {id}, such as http://localhost:16686/trace/{id}"),
	}
}

func runBot(c *cli.Context) (err error) {
	s, err := runSettings(c)
	if err != nil {
		return err
	}
	listen := c.String("listen-channel")
	if listen != "" && !s.Local() {
		return usagef("--listen-channel is for the local channel: add --local or leave out the channel")
	}
	log, err := newLogger(c, s, s.Level())
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context, c.App.ErrWriter)
	defer stop()
	defer suppressCanceled(ctx, &err, nil)
	interactive := isTerminal(c.App.Reader)
	if interactive && s.Local() {
		telemetry.ShowPersonal(log)
	}
	b := bot.New(s, pluginsOf(c.App)...)
	b.Logger = log
	b.Terminal = bot.Terminal{
		In: c.App.Reader, Out: c.App.Writer, Notices: c.App.ErrWriter,
		Interactive: interactive, Optional: interactive || listen != "" || c.Bool("local"), Listen: listen,
	}
	b.OnConsole = func(url string) { fmt.Fprintf(c.App.ErrWriter, "The console is at %s\n", url) }
	defer onHangup(func() {
		s, err := runSettings(c)
		if err == nil {
			err = b.Reload(s)
		}
		if err != nil {
			log.Error("settings not reloaded, the former hold", "error", err)
		}
	})()
	return botError(b.Run(ctx))
}

// runSettings loads the settings, for a local channel if the command asks for one.
func runSettings(c *cli.Context) (settings.Settings, error) {
	s, err := loadSettings(c)
	if c.Bool("local") {
		s.Channel.Name, s.Channels = "", nil
	}
	return s, err
}

// botError names the flag where an error of a bot is about a setting.
func botError(err error) error {
	var listen *bot.ListenError
	switch {
	case errors.Is(err, bot.ErrNoInput):
		return usagef("no channel is set and there is nobody to type: set --channel (or ROSEY_CHANNEL), or use --local")
	case errors.As(err, &listen):
		return fmt.Errorf("--%w", listen)
	}
	return settings.ExplainConsole(err)
}
