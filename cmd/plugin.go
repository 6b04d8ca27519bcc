package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/oklog/run"
	"github.com/urfave/cli/v2"
	"go.opentelemetry.io/otel"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/telemetry"
)

func pluginCommand() *cli.Command {
	return &cli.Command{
		Name:  "plugin",
		Usage: "list, run, pause and make plugins",
		Description: `   rosey plugin ls
   rosey plugin pause trivia && rosey plugin resume trivia

A plugin as its own process, beside a bot in another terminal:

   rosey run --plugins none
   rosey plugin run trivia`,
		Subcommands: []*cli.Command{
			{Name: "ls", Usage: "registered plugins: whether they run, how far behind they are, their commands",
				Description: `   rosey plugin ls`,
				Flags:       []cli.Flag{outputFlag()}, Action: withClient(true, listPlugins)},
			{Name: "run", Usage: "run a shipped plugin in this process, for a bot that runs elsewhere", ArgsUsage: "NAME",
				Description: `Several processes of one plugin share its work; nothing is done twice.

   rosey plugin run trivia
   rosey plugin run trivia --creds trivia.creds      see rosey plugin creds`,
				Flags:  []cli.Flag{&cli.StringFlag{Name: "metrics", Usage: "serve /metrics, /healthz and /readyz at `ADDR`, such as 127.0.0.1:9465"}},
				Action: runPlugin},
			{Name: "restart", Usage: "start every process of a plugin over", ArgsUsage: "NAME", Description: `   rosey plugin restart trivia`, Action: ofOne("plugin", withClient(false, restartPlugin))},
			{Name: "pause", Usage: "leave a plugin's commands in the stream until it is resumed", ArgsUsage: "NAME",
				Description: `   rosey plugin pause trivia
   rosey plugin pause trivia --for 30m`,
				Flags: []cli.Flag{&cli.DurationFlag{Name: "for", Usage: "resume by itself after `TIME`, such as 30m"}}, Action: ofOne("plugin", withClient(true, pausePlugin))},
			{Name: "resume", Usage: "handle what waits; commands past their max_age are recorded as expired", ArgsUsage: "NAME", Description: `   rosey plugin resume trivia`, Action: ofOne("plugin", withClient(true, resumePlugin))},
			{Name: "rm", Usage: "forget a plugin that no longer runs: its registration and its place in the streams", ArgsUsage: "NAME", Description: `   rosey plugin rm greeter`, Action: ofOne("plugin", withClient(true, removePlugin))},
			credsCommand(),
			newPluginCommand(),
		},
	}
}

// ofOne makes an action look whether it got its one argument before it reaches
// for a bot or a store.
func ofOne(what string, action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		if _, err := oneArg(c, what); err != nil {
			return err
		}
		return action(c)
	}
}

func oneArg(c *cli.Context, what string) (string, error) {
	if c.Args().Len() != 1 || c.Args().First() == "" {
		return "", usagef("give one %s: %s %s", what, c.Command.HelpName, c.Command.ArgsUsage)
	}
	return c.Args().First(), nil
}

func listPlugins(ctx context.Context, c *cli.Context, cmd command) error {
	list, err := host.Statuses(ctx, cmd.nc, cmd.js)
	if err != nil {
		return err
	}
	if wantJSON(c) {
		enc := json.NewEncoder(c.App.Writer)
		for _, p := range list {
			if err := enc.Encode(p); err != nil {
				return fmt.Errorf("print plugins: %w", err)
			}
		}
		return nil
	}
	if len(list) == 0 {
		fmt.Fprintln(c.App.Writer, "no plugin is registered yet: start the bot with rosey run, or a plugin with rosey plugin run NAME")
		return nil
	}
	t := newTable("plugin", "version", "state", "processes", "behind", "unacknowledged", "rank", "commands")
	for _, p := range list {
		commands := strings.Join(p.Commands, " ")
		if p.Problem != "" {
			commands = p.Problem
		}
		t.AppendRow(safeRow(p.Name, p.Version, p.State, p.Processes, p.Lag, p.Unacked, p.MinRank, commands))
	}
	fmt.Fprintln(c.App.Writer, t.Render())
	return nil
}

func runPlugin(c *cli.Context) error {
	name, err := oneArg(c, "plugin")
	if err != nil {
		return err
	}
	p, err := catalogOf(c.App).find(name)
	if err != nil {
		return err
	}
	err = withReach(await, func(ctx context.Context, c *cli.Context, cmd command) error { return hostPlugin(ctx, c, cmd, p) })(c)
	if errors.Is(err, errInterrupted) {
		return nil // it was to run until then
	}
	return err
}

// hostPlugin runs a plugin in this process until ctx ends.
func hostPlugin(ctx context.Context, c *cli.Context, cmd command, p plugins.Plugin) (err error) {
	log, err := newLogger(c, cmd.cfg, "info")
	if err != nil {
		return err
	}
	tel, err := telemetry.Setup(ctx, telemetry.Config{Service: "rosey-plugin-" + p.Name, Version: version(), Logger: log})
	if err != nil {
		return &usageError{err}
	}
	defer func() { err = errors.Join(err, tel.Shutdown(context.WithoutCancel(ctx))) }()
	otel.SetErrorHandler(tel)
	options := []streams.BusOption{streams.WithTracer(tel.Tracer("streams")), streams.WithLogger(log),
		streams.WithTimeout(cmd.cfg.RequestTimeout), streams.WithObserver(tel.Metrics)}
	var bucket jetstream.KeyValue
	var seal streams.MessageIDSigner
	err = retry.Do(ctx, streams.WhileUnanswered(opening, log), func(ctx context.Context) error {
		restricted, err := access.Restricted(cmd.nc)
		if err != nil {
			return err
		}
		if !restricted {
			if seal, err = streams.OpenMessageIDSigner(ctx, cmd.js, cmd.cfg.Replicas); err == nil {
				bucket, err = router.OpenBucket(ctx, cmd.js, cmd.cfg.Replicas)
			}
			return err
		}
		options = append(options, streams.WithManager(access.Delegate(cmd.js, p.Name)))
		if seal, err = streams.CredentialSigner(cmd.nc); err == nil {
			bucket, err = cmd.js.KeyValue(ctx, router.Bucket)
		}
		return err
	})
	if err != nil {
		return err
	}
	bus := streams.NewBus(cmd.nc, cmd.js, append(options, streams.WithMessageIDSigner(seal))...)
	host := host.Host{Bus: bus, Bucket: bucket, Logger: log, Observe: outcomes(ctx, tel)}
	var g run.Group
	add := actors(ctx, &g)
	add("plugin "+p.Name, func(ctx context.Context) error { return host.Run(ctx, p) })
	add("connection", func(ctx context.Context) error { return connect.AwaitClosed(ctx, cmd.nc) })
	// The address in the settings is the bot's.
	if address := c.String("metrics"); address != "" {
		ready := func(context.Context) error {
			if !cmd.nc.IsConnected() {
				return errors.New("there is no connection to NATS")
			}
			return nil
		}
		if err := serveMetrics(add, address, tel.Metrics, ready, log); err != nil {
			return err
		}
	}
	return lostFirst(ctx, cmd.nc, g.Run())
}

func restartPlugin(ctx context.Context, c *cli.Context, cmd command) error {
	name := c.Args().First()
	n, err := host.Restart(ctx, cmd.nc, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "told %d process(es) of %s to start over\n", n, name)
	return nil
}

func pausePlugin(ctx context.Context, c *cli.Context, cmd command) error {
	name := c.Args().First()
	var until time.Time
	said := "until it is resumed"
	if d := c.Duration("for"); d > 0 {
		until = time.Now().Add(d)
		said = "until " + until.Format(time.DateTime)
	}
	if err := host.Pause(ctx, cmd.js, name, until); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s is paused %s; its commands wait in the stream\n", name, said)
	return nil
}

func resumePlugin(ctx context.Context, c *cli.Context, cmd command) error {
	name := c.Args().First()
	waiting, err := host.Resume(ctx, cmd.js, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s is resumed, with %d event(s) waiting\n", name, waiting)
	return nil
}

func removePlugin(ctx context.Context, c *cli.Context, cmd command) error {
	name := c.Args().First()
	if err := host.Remove(ctx, cmd.nc, cmd.js, name); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s is forgotten; its events stay in the streams, and its records in the database\n", name)
	return nil
}
