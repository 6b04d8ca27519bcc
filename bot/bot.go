// Package bot is a whole bot as a value. A program embeds it without a command line:
//
//	err := bot.New(bot.DefaultSettings(), shipped.All()...).Run(ctx)
package bot

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/telemetry"
)

// Settings are the settings of a bot.
type Settings = settings.Settings

// Channel holds the settings of one channel.
type Channel = settings.Channel

// DefaultSettings returns the settings of a bot that opens a channel of its own.
func DefaultSettings() Settings { return settings.Default() }

// Bot is a bot that can be run. Its fields must not change once it runs.
type Bot struct {
	// Settings configure the bot.
	Settings Settings
	// Plugins are those that Settings.Plugins can name, and run if it names none.
	Plugins []plugins.Plugin
	// Logger logs what happens; New sets slog.Default.
	Logger *slog.Logger
	// Terminal is where a user of the bot's own channel types, if no channel is set.
	Terminal Terminal
	// OnConsole, if set, is called with the console's URL once it is served.
	OnConsole func(url string)
}

// New returns a bot that runs the plugins.
func New(s Settings, plugins ...plugins.Plugin) *Bot {
	return &Bot{Settings: s, Plugins: plugins, Logger: slog.Default()}
}

// Run runs the bot until ctx ends, a local channel's input ends, or a part of the bot
// fails for good. It stores in Settings.Store, or on the NATS server that the settings
// name. A mistake in the settings is an error of the type that SettingsError finds.
func (b *Bot) Run(ctx context.Context) (err error) {
	s, log := b.Settings, b.Logger
	if err := s.Check(); err != nil {
		return err
	}
	active, err := b.active()
	if err != nil {
		return err
	}
	tel, err := telemetry.Setup(ctx, telemetry.Config{Service: "rosey", Version: version.String(), Logger: log})
	if err != nil {
		return settings.Errorf("%w", err)
	}
	defer func() { err = errors.Join(err, tel.Shutdown(context.WithoutCancel(ctx))) }()
	otel.SetErrorHandler(tel)
	observe := outcomes(ctx, tel)

	server, err := openServer(ctx, s, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	st, err := openStreams(ctx, s, server, tel, log)
	if err != nil {
		return err
	}
	database, err := openDatabase(ctx, s, server, st.bus, tel, log)
	if err != nil {
		return err
	}
	var local *localChannel
	if s.Local() {
		if local, err = openLocal(&s, b.Terminal); err != nil {
			return err
		}
		defer local.close()
	}
	leases, err := openLeases(ctx, s, server, log)
	if err != nil {
		return err
	}
	channels, err := openChannels(s, st.bus, leases, tel, log, observe)
	if err != nil {
		return err
	}
	registry := router.NewRegistry(s.Prefix, log)
	router := router.New(registry, s.Prefix, channels.isBot, log).Prefixes(channels.prefixes())
	routing := router.Config()
	routing.Observe = observe
	console, err := openConsole(s, st.bus, database.Store(), channels, local, log)
	if err != nil {
		return err
	}

	var g group
	g.add("connection", worker(server.lost))
	databaseReady := g.add("database", retrying(log, database.Serve))
	g.add("provisioner", retrying(log, worker(access.NewProvisioner(st.bus, log).Serve)))
	g.add("timers", retrying(log, worker(streams.NewTimerForwarder(server.js, st.signer, log).Run)))
	registered := g.add("registrations", retrying(log, func(ctx context.Context, ready func()) error {
		return registry.Watch(ctx, st.registrations, registrations(active), ready)
	}))
	g.add("router", retrying(log, worker(func(ctx context.Context) error {
		return consumers.Run(ctx, st.bus, routing, router.Handle)
	})), registered)
	started := []Ready{databaseReady}
	for _, p := range active {
		started = append(started, g.add("plugin "+p.Name, func(ctx context.Context, ready func()) error {
			h := host.Host{Bus: st.bus, Bucket: st.registrations, Logger: log, Observe: observe, OnStart: func(error) { ready() }}
			return h.Run(ctx, p)
		}, databaseReady))
	}
	if s.Dispatched() {
		dispatcher := sender.NewDispatcher(st.bus, channels.names(), log, observe)
		if !s.External() {
			dispatcher.Alone()
		}
		g.add("dispatcher", retrying(log, worker(func(ctx context.Context) error {
			return consumers.Run(ctx, st.bus, dispatcher.Config(), dispatcher.Handle)
		})))
	}
	g.add("connector", worker(channels.run))
	if !s.External() || leases != nil {
		vacated := vacatedChannels{bus: st.bus, names: channels.names(), leases: leases, log: log, observe: observe}
		g.add("vacated channels", worker(vacated.run))
	}
	life := &lifecycle{
		settings: s, log: log, began: time.Now(), bus: st.bus, server: server, channels: channels,
		plugins: names(active), tracing: tel.Targets, registered: registered, started: started,
	}
	g.add("lifecycle", worker(life.run))
	if s.Metrics != "" {
		if err := observeStreams(tel.Metrics, server, channels.outboxes(s.Dispatched())); err != nil {
			return err
		}
		if err := serveMetrics(&g, s.Metrics, tel.Metrics, life.ready, log); err != nil {
			return err
		}
	}
	g.add("systemd", worker(telemetry.Supervised{Ready: life.ready, Alive: life.alive, Logger: log}.Run))
	if console != nil {
		if b.OnConsole != nil {
			b.OnConsole(console.URL())
		}
		g.add("console", worker(console.Serve))
	}
	if local != nil {
		g.add("local channel", worker(func(ctx context.Context) error { return local.run(ctx, life) }))
	}
	return server.explain(ctx, g.run(ctx, func(cause error) { life.stop(ctx, server.explain(ctx, cause)) }))
}

// active returns the plugins that the settings choose.
func (b *Bot) active() ([]plugins.Plugin, error) {
	if len(b.Settings.Plugins) == 0 {
		return b.Plugins, nil
	}
	var chosen []plugins.Plugin
	for _, name := range b.Settings.Plugins {
		name = strings.TrimSpace(name)
		if name == "none" {
			continue
		}
		i := slices.IndexFunc(b.Plugins, func(p plugins.Plugin) bool { return p.Name == name })
		if i < 0 {
			return nil, settings.Errorf("there is no shipped plugin %q: there are %s, and none", name, strings.Join(names(b.Plugins), ", "))
		}
		chosen = append(chosen, b.Plugins[i])
	}
	return chosen, nil
}

// CheckPlugins returns an error for a name in Settings.Plugins that no plugin has.
func (b *Bot) CheckPlugins() error {
	_, err := b.active()
	return err
}

// SettingsError reports whether an error of Run is a mistake in the settings.
func SettingsError(err error) bool {
	var mistake *settings.Error
	return errors.As(err, &mistake)
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

// openDatabase opens the database's service.
func openDatabase(ctx context.Context, s Settings, server *server, bus *streams.Bus, tel *telemetry.Providers, log *slog.Logger) (*service.Service, error) {
	store, err := kvstore.NewStore(server.js, kvstore.WithReplicas(s.Replicas), kvstore.WithLogger(log), kvstore.WithMemoryLimit(int64(s.DatabaseMemory)))
	if err != nil {
		return nil, err
	}
	return service.New(server.conn, store, service.Options{
		Tracer:  bus.Tracer(),
		Observe: func(op string, took time.Duration, err error) { tel.Metrics.DatabaseOperation(ctx, op, took, err) },
	}), nil
}

// stored is what the bot keeps on the server, apart from the database.
type stored struct {
	bus           *streams.Bus
	signer        streams.MessageIDSigner
	registrations jetstream.KeyValue
}
