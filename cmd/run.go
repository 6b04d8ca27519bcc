package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/oklog/run"
	"github.com/urfave/cli/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/lease"
	"github.com/rosey-bot/rosey/telemetry"
)

func runCommand() *cli.Command {
	text := func(name, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, EnvVars: []string{envName(name)}}
	}
	return &cli.Command{
		Name:  "run",
		Usage: "start the bot; without a channel it opens a local room in the terminal",
		Description: `In the local room each line you type is chat; "alice: hello" speaks as alice and
everything else as operator, an admin of the room. It works through pipes too.

   rosey run
   echo '!roll 2d6+3' | rosey run --local
   ROSEY_PASSWORD=... rosey run --channel mychannel --user rosey
   rosey run --nats nats://10.0.0.1,nats://10.0.0.2 --channel mychannel --user rosey
   rosey run --config rosey.yaml            several channels: a list, channels:, in the file
   rosey run --channel mychannel --console 127.0.0.1:8484     a page in the browser, too

Tracing follows OpenTelemetry's OTEL_* variables and is off when none is set.`,
		Flags: []cli.Flag{
			text("site", "CyTube site, as `URL` (default: https://cytu.be)"),
			text("channel", "join the channel `NAME`"),
			text("channel-password-file", "`FILE` with the channel's password, if it has one (or ROSEY_CHANNEL_PASSWORD)"),
			text("user", "log in as `NAME` (default: rosey)"),
			text("password-file", "`FILE` with the account's password (or ROSEY_PASSWORD); without one the bot is a guest"),
			text("prefix", "what commands start with (default: !)"),
			&cli.BoolFlag{Name: "local", Usage: "open a local room, whatever channel is configured"},
			&cli.StringFlag{Name: "listen-room", Usage: "also open the local room to websocket clients at `ADDR`, such as 127.0.0.1:8080"},
			&cli.StringSliceFlag{Name: "plugins", Usage: "run only the plugins `NAME,NAME…` in this process", EnvVars: []string{"ROSEY_PLUGINS"}},
			text("listen", "`ADDR` of the embedded NATS server (default: a free port of 127.0.0.1)"),
			&cli.BoolFlag{Name: "sync-always", Usage: "write each event to disk before it is acknowledged: survives a power cut, costs speed", EnvVars: []string{"ROSEY_SYNC_ALWAYS"}},
			&cli.IntFlag{Name: "replicas", Value: 1, Usage: "keep `N` copies of everything, in an external cluster", EnvVars: []string{"ROSEY_REPLICAS"}},
			text("lease-term", "on an external server, how long a dead bot's channels wait for another bot (default: 15s)"),
			text("heartbeat", "time between two platform.heartbeat events (default: 60s)"),
			text("metrics", "serve /metrics, /healthz and /readyz at `ADDR`, such as 127.0.0.1:9464"),
			text("console", "serve the browser console at `ADDR`, such as 127.0.0.1:8484, or off (a local room in a terminal has one)"),
			text("console-password-file", "`FILE` with the console's password, or its hash, for operators (or ROSEY_CONSOLE_PASSWORD)"),
			text("console-viewer-password-file", "`FILE` with that for those who only look (or ROSEY_CONSOLE_VIEWER_PASSWORD)"),
			text("trace-url", "where a tracing backend shows a trace, as a `URL` with {id}, such as http://localhost:16686/trace/{id}"),
		},
		Action: runBot,
	}
}

// runBot wires the bot together; everything it is made of shows here.
func runBot(c *cli.Context) (err error) {
	cfg, err := loadSettings(c)
	if err != nil {
		return err
	}
	if c.Bool("local") {
		cfg.Channel.Name, cfg.Channels = "", nil
	}
	if c.String("listen-room") != "" && !cfg.Local() {
		return usagef("--listen-room is for the local room: add --local or leave out the channel")
	}
	level := "info"
	if cfg.Local() {
		level = "warn"
	}
	log, err := newLogger(c, cfg, level)
	if err != nil {
		return err
	}
	active, err := choosePlugins(catalogOf(c.App), cfg.Plugins)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context, c.App.ErrWriter)
	defer stop()
	defer quietly(ctx, &err, nil)

	tel, err := telemetry.Setup(ctx, telemetry.Config{Service: "rosey", Version: version(), Logger: log})
	if err != nil {
		return &usageError{err}
	}
	defer func() { err = errors.Join(err, tel.Shutdown(context.WithoutCancel(ctx))) }()
	otel.SetErrorHandler(tel)

	nc, server, err := startStreams(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { nc.Close(); err = errors.Join(err, server.stop()) }()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	var bucket jetstream.KeyValue
	var seal streams.MessageIDSigner
	err = retry.Do(ctx, streams.WhileUnanswered(opening, log), func(ctx context.Context) (err error) {
		if err = streams.Open(ctx, js, streams.Options{Replicas: cfg.Replicas, Limits: cfg.StreamLimits()}); err != nil {
			return err
		}
		if seal, err = streams.OpenMessageIDSigner(ctx, js, cfg.Replicas); err != nil {
			return err
		}
		bucket, err = router.OpenBucket(ctx, js, cfg.Replicas)
		return err
	})
	if err != nil {
		return err
	}
	if cfg.External() { // the embedded server knows whether it stopped the last time
		streams.Reconcile(ctx, js, log)
	}
	capacity := &streams.Capacity{Observer: tel.Metrics}
	bus := streams.NewBus(nc, js, streams.WithMessageIDSigner(seal), streams.WithTracer(tel.Tracer("streams")), streams.WithLogger(log),
		streams.WithTimeout(cfg.RequestTimeout), streams.WithObserver(capacity))

	dbOptions := []kvstore.Option{
		kvstore.WithReplicas(cfg.Replicas), kvstore.WithTracer(bus.Tracer()), kvstore.WithLogger(log),
		kvstore.WithObserver(func(op string, took time.Duration, err error) { tel.Metrics.DatabaseOperation(ctx, op, took, err) }),
	}
	if cfg.DatabaseMemory > 0 {
		dbOptions = append(dbOptions, kvstore.WithMemoryLimit(int64(cfg.DatabaseMemory)))
	}
	database, err := kvstore.New(nc, js, dbOptions...)
	if err != nil {
		return err
	}
	var room *localRoom
	if cfg.Local() {
		if room, err = openRoom(&cfg, c); err != nil {
			return err
		}
		defer room.close()
	}
	observe := outcomes(ctx, tel)
	leases, err := openLeases(ctx, cfg, nc, js, log)
	if err != nil {
		return err
	}
	channels, err := openChannels(cfg, bus, leases, log, tel.Metrics, observe)
	if err != nil {
		return err
	}
	registry := router.NewRegistry(cfg.Prefix, log)
	router := router.New(registry, cfg.Prefix, channels.isBot, log).Prefixes(channels.prefixes())
	routing := router.Config()
	routing.Observe = observe
	host := host.Host{Bus: bus, Bucket: bucket, Logger: log, Observe: observe}
	bot := &platform{
		bus: bus, cfg: cfg, log: log, began: time.Now(), url: server.url, plugins: names(active), channels: channels,
		registryReady: make(chan struct{}), started: make(chan struct{}), tracing: tel.Targets,
		full: capacity.Full,
	}
	if server.full != nil {
		bot.full = server.full
	}

	pages, err := openConsole(cfg, bot, database.Store(), room)
	if err != nil {
		return err
	}

	// The end is announced while everything still works, so what works does not
	// end with ctx but after that.
	var g run.Group
	wanted, unwanted := context.WithCancel(ctx)
	g.Add(func() error { <-wanted.Done(); return nil }, func(err error) {
		bot.goodbye(context.WithoutCancel(ctx), reasonFor(lostFirst(ctx, nc, err), ctx))
		unwanted()
	})
	add := actors(context.WithoutCancel(ctx), &g)
	add("connection", func(ctx context.Context) error { return connect.AwaitClosed(ctx, nc) })
	addInsisting := func(name string, actor func(context.Context) error) {
		add(name, func(ctx context.Context) error { return retry.Do(ctx, streams.WhileUnanswered(forever, log), actor) })
	}
	answering := make(chan struct{})
	answers := sync.OnceFunc(func() { close(answering) })
	addInsisting("database", func(ctx context.Context) error { return database.Serve(ctx, answers) })
	addInsisting("warden", access.NewProvisioner(bus, log).Serve)
	addInsisting("timers", streams.NewTimerForwarder(js, seal, log).Run)
	registered := sync.OnceFunc(func() { close(bot.registryReady) })
	addInsisting("registrations", func(ctx context.Context) error {
		return registry.Watch(ctx, bucket, registrations(active), registered)
	})
	addInsisting("router", func(ctx context.Context) error {
		if err := bot.await(ctx, bot.registryReady); err != nil {
			return err
		}
		return consumers.Run(ctx, bus, routing, router.Handle)
	})
	var starting sync.WaitGroup
	for _, p := range active {
		starting.Add(1)
		host := host
		started := sync.OnceFunc(starting.Done)
		host.OnStart = func(error) { started() }
		add("plugin "+p.Name, func(ctx context.Context) error {
			// A plugin that begins by reading its records would wait in vain.
			if err := bot.await(ctx, answering); err != nil {
				return err
			}
			return host.Run(ctx, p)
		})
	}
	go func() { starting.Wait(); <-answering; close(bot.started) }()
	if cfg.Dispatched() {
		dispatcher := sender.NewDispatcher(bus, channels.names(), log, observe)
		if !cfg.External() {
			dispatcher.Alone()
		}
		addInsisting("dispatcher", func(ctx context.Context) error {
			return consumers.Run(ctx, bus, dispatcher.Config(), dispatcher.Handle)
		})
	}
	add("connector", channels.run)
	if !cfg.External() || leases != nil {
		gone := departures{bus: bus, names: channels.names(), leases: leases, vacancy: sender.DefaultMaxAge, log: log, observe: observe}
		add("channels that were left", gone.run)
	}
	add("platform", bot.run)
	if cfg.Metrics != "" {
		if err := observeStreams(tel.Metrics, js, bot.full, channels.queues(cfg)); err != nil {
			return err
		}
		if err := serveMetrics(add, cfg.Metrics, tel.Metrics, bot.ready, log); err != nil {
			return err
		}
	}
	add("systemd", telemetry.Supervised{Ready: bot.ready, Alive: bot.alive, Logger: log}.Run)
	if pages != nil {
		fmt.Fprintf(c.App.ErrWriter, "The console is at %s\n", pages.URL())
		add("console", pages.Serve)
	}
	if room != nil {
		add("local room", func(ctx context.Context) error { return room.run(ctx, bot) })
	}
	return lostFirst(ctx, nc, g.Run())
}

// actors gives the function that adds an actor to a group: it works until its
// context ends, and its failure ends the group.
func actors(ctx context.Context, g *run.Group) func(name string, actor func(context.Context) error) {
	return func(name string, actor func(context.Context) error) {
		actorCtx, cancel := context.WithCancel(ctx)
		g.Add(func() error {
			err := actor(actorCtx)
			if err != nil && actorCtx.Err() == nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		}, func(error) { cancel() })
	}
}

// lostFirst is the failure of a group's actor, or why the connection is closed for
// good where it is: any actor may notice that first, and in its own words.
func lostFirst(ctx context.Context, nc *nats.Conn, err error) error {
	if err != nil && nc.IsClosed() {
		return connect.AwaitClosed(ctx, nc)
	}
	return err
}

// natsServer is the server that the bot is connected to.
type natsServer struct {
	url  string
	stop func() error
	full func() error // says why it stores nothing new; nil where it does not tell
}

// storePatience is how long the bot waits for a command that looks at its store.
const storePatience = 10 * time.Second

// startStreams starts the embedded server, or connects to the external one.
func startStreams(ctx context.Context, cfg settings.Settings, log *slog.Logger) (*nats.Conn, natsServer, error) {
	if cfg.External() {
		nc, err := connect.Await(ctx, remote(cfg, "rosey", log), patience)
		if err != nil {
			return nil, natsServer{}, err
		}
		return nc, natsServer{url: nc.ConnectedUrlRedacted(), stop: func() error { return nil }}, nil
	}
	if err := usable(cfg.Store); err != nil {
		return nil, natsServer{}, err
	}
	server, err := embedded.Start(embedded.Config{
		Store: cfg.Store, Listen: cfg.Listen, SyncAlways: cfg.SyncAlways, Holder: "rosey run", Patience: storePatience, Logger: log,
		Reserve: int64(cfg.StoreReserve), MaxStore: int64(cfg.StoreMax),
	})
	if err != nil {
		return nil, natsServer{}, err
	}
	nc, err := server.Connect(nats.Name("rosey"))
	if err != nil {
		return nil, natsServer{}, errors.Join(err, server.Stop())
	}
	return nc, natsServer{url: server.Info().URL, stop: server.Stop, full: server.Full}, nil
}

// openLeases opens the leases of channels where other processes may want them;
// nil where none can.
func openLeases(ctx context.Context, cfg settings.Settings, nc *nats.Conn, js jetstream.JetStream, log *slog.Logger) (leases *lease.Leases, err error) {
	if !cfg.External() || cfg.Local() {
		return nil, nil
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	holder := fmt.Sprintf("%s, pid %d", host, os.Getpid())
	err = retry.Do(ctx, streams.WhileUnanswered(opening, log), func(ctx context.Context) (err error) {
		leases, err = lease.Open(ctx, nc, js, cfg.Replicas, holder, lease.Timing{Term: cfg.LeaseTerm}, log)
		return err
	})
	return leases, err
}

// forever is the patience with NATS of what has begun.
const forever = time.Duration(math.MaxInt64)

// choosePlugins picks the shipped plugins to run in the bot's process.
func choosePlugins(all catalog, wanted []string) ([]plugins.Plugin, error) {
	if len(wanted) == 0 {
		return all, nil
	}
	var chosen []plugins.Plugin
	for _, name := range wanted {
		name = strings.TrimSpace(name)
		if name == "none" {
			continue
		}
		i := slices.IndexFunc(all, func(p plugins.Plugin) bool { return p.Name == name })
		if i < 0 {
			return nil, usagef("there is no shipped plugin %q: there are %s, and none", name, strings.Join(names(all), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func registrations(ps []plugins.Plugin) []router.Registration {
	list := make([]router.Registration, 0, len(ps))
	for _, p := range ps {
		list = append(list, p.Registration())
	}
	return list
}

func names(ps []plugins.Plugin) []string {
	list := make([]string, 0, len(ps))
	for _, p := range ps {
		list = append(list, p.Name)
	}
	return list
}

// outcomes tells metrics of what consumers do. The span that handled an event is
// the exemplar by which a slow bucket leads to a trace.
func outcomes(ctx context.Context, tel *telemetry.Providers) func(consumers.Outcome) {
	return func(o consumers.Outcome) {
		tel.Metrics.Handled(trace.ContextWithSpanContext(ctx, o.Span), handling(o))
	}
}

// handling is a consumer's outcome in the terms of the metrics.
func handling(o consumers.Outcome) telemetry.Handling {
	outcomes := map[string]string{
		consumers.Handled: telemetry.OutcomeDone, consumers.Retried: telemetry.OutcomeRetry,
		consumers.Dead: telemetry.OutcomeDeadLetter, consumers.Expired: telemetry.OutcomeExpired,
	}
	return telemetry.Handling{
		Consumer: o.Consumer, Subject: o.Subject, Outcome: outcomes[o.Result], Attempt: o.Attempt, Waited: o.Waited, Took: o.Took, Err: o.Err,
	}
}

func reasonFor(err error, ctx context.Context) string {
	switch {
	case err != nil:
		return "failed: " + err.Error()
	case ctx.Err() != nil:
		return "user_requested"
	default:
		return "end_of_input"
	}
}
