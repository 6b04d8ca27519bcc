package bot

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"

	"github.com/rosey-bot/rosey/console"
	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/cytube/past"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/admin"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/lease"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/streams/msgid"
	"github.com/rosey-bot/rosey/telemetry"
)

// composition is what the parts of a bot are made from.
type composition struct {
	settings Settings
	log      *slog.Logger
	tel      *telemetry.Providers
	observe  func(consumers.Outcome)
	plugins  []plugins.Plugin // those that run in this process
	shipped  []plugins.Plugin // those that could
	terminal Terminal

	server         *server
	bus            *streams.Bus
	signer         msgid.Signer
	registrations  jetstream.KeyValue
	pluginSettings *pluginsettings.Store
	cooldowns      *router.Cooldowns
	grants         *router.Grants
	database       *service.Service
	local          *localChannel // nil where a channel is set
	leases         *lease.Leases // nil where no other process can be in a channel
	channels       channels
	programs       *programs
	console        *console.Console // nil where none is served
	restricted     bool             // the process is a plugin's, with credentials of its own
	access         atomic.Pointer[settings.ConsoleAccess]
}

// newComposition sets up the telemetry of a service. close ends it.
func newComposition(ctx context.Context, service string, s Settings, log *slog.Logger) (*composition, error) {
	tel, err := telemetry.Setup(ctx, telemetry.Config{Service: service, Version: version.String(), Logger: log})
	if err != nil {
		return nil, settings.Errorf("%w", err)
	}
	otel.SetErrorHandler(tel)
	return &composition{settings: s, log: log, tel: tel, observe: outcomes(ctx, tel)}, nil
}

// open opens everything in the order of its needs; close closes what it opened.
func (c *composition) open(ctx context.Context) error {
	for _, open := range []func(context.Context) error{
		c.openServer, c.openStreams, c.applyFile, c.openDatabase, c.openLocal, c.openLeases, c.openChannels, c.openConsole,
	} {
		if err := open(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *composition) close(ctx context.Context) (err error) {
	if c.local != nil {
		c.local.close()
	}
	if c.server != nil {
		c.server.conn.Close()
		err = c.server.stop()
	}
	return errors.Join(err, c.tel.Shutdown(context.WithoutCancel(ctx)))
}

// compose adds every part of the bot to a group, after those that it needs.
func (c *composition) compose() (*group, *lifecycle, error) {
	s, log, bus := c.settings, c.log, c.bus
	g := &group{}
	g.add("connection", worker(c.server.lost))
	database := g.add("database", retrying(log, c.database.Serve))
	provisioner := access.NewProvisioner(bus, log)
	provisioner.Events = router.NewAccess(c.registrations).Events
	registry := router.NewRegistry(s.Prefix, log)
	provisioner.Capabilities, provisioner.Confined = registry.Capabilities, registry.Confined
	provisioned := g.add("provisioner", retrying(log, func(ctx context.Context, ready func()) error {
		provisioner.OnReady = ready
		return provisioner.Serve(ctx)
	}))
	g.add("checkpoints", retrying(log, worker(func(ctx context.Context) error { return streams.KeepCheckpoints(ctx, c.server.js, log) })))
	g.add("timers", retrying(log, worker(streams.NewTimerForwarder(c.server.js, c.signer, log).Run)))
	registry.OnCapabilities = func() { c.applyCapabilities(registry, provisioner) }
	registry.Durables = func(ctx context.Context) ([]string, error) {
		list, err := monitor.Consumers(ctx, c.server.js)
		durables := convert(list, func(c monitor.ConsumerState) string { return c.Name })
		return append(durables, convert(c.programs.names(), streams.Durable)...), err
	}
	registered := g.add("registrations", retrying(log, func(ctx context.Context, ready func()) error {
		return registry.Watch(ctx, c.server.js, c.registrations, convert(c.plugins, plugins.Plugin.Registration), ready)
	}))
	g.add("settings", c.watchSettings())
	g.add("events of settings", retrying(log, worker(func(ctx context.Context) error { return c.pluginSettings.KeepPublished(ctx, bus, log) })))
	maintainer := streams.NewMaintainer(bus, c.streamOptions(), log)
	maintainer.OnRemake(msgid.Bucket, func(ctx context.Context) error { return c.signer.Store(ctx, c.server.js) })
	g.add("message IDs", worker(func(ctx context.Context) error { return c.signer.Follow(ctx, c.server.js, log) }))
	maintainer.OnRemake(router.Bucket, func(ctx context.Context) error { return registry.Remade(ctx, c.registrations) })
	maintainer.OnRemake(pluginsettings.Bucket, c.pluginSettings.Remade)
	if c.leases != nil {
		maintainer.OnRemake(lease.Bucket, c.leases.Remade)
	}
	g.add("maintainer", worker(maintainer.Run))
	commands := router.Router{Registry: registry, Prefix: s.Prefix, Prefixes: c.channels.prefixes(), IsBot: c.channels.isAnyBot(c.server.js, log), Logger: log, Settings: c.pluginSettings, Cooldowns: c.cooldowns, Grants: c.grants}
	if s.Suggest {
		commands.Suggestions = router.NewSuggestions(c.server.js)
	}
	g.add("router", c.router(commands), registered)
	g.add("capabilities", worker(func(ctx context.Context) error {
		c.applyCapabilities(registry, provisioner)
		<-ctx.Done()
		return nil
	}), registered)
	started := []readiness{database}
	for _, p := range c.plugins {
		if p.Name == admin.Name { // it may change what the bot's process may
			p = (&admin.Admin{Bus: bus, Settings: c.pluginSettings, Grants: c.grants, Channels: c.channels.names()}).Plugin()
		}
		started = append(started, g.add("plugin "+p.Name, c.plugin(p, !s.External()), database))
	}
	started = append(started, g.add("plugin processes", c.programs.run, database, provisioned, registered))
	g.add("connector", worker(c.channels.run))
	g.add("channel requests", retrying(log, worker(channelRequests{bus: bus, log: log}.run)))
	g.add("channel state", retrying(log, func(ctx context.Context, ready func()) error {
		return past.Serve(ctx, bus, c.channels.names(), ready)
	}))
	if !s.External() || c.leases != nil {
		vacated := vacatedChannels{bus: bus, names: c.channels.names(), leases: c.leases, log: log}
		g.add("vacated channels", worker(vacated.run))
	}
	life := &lifecycle{
		settings: s, log: log, began: time.Now(), bus: bus, server: c.server, channels: c.channels,
		plugins: PluginNames(c.plugins), tracing: c.tel.Targets, registered: registered, started: started, programs: c.programs, maintained: maintainer.Problem,
	}
	g.add("lifecycle", worker(life.run))
	clock := &clockWatch{log: log, publish: func(ctx context.Context, subject string, payload any) { life.publish(ctx, subject, payload) }}
	g.add("clock", worker(clock.run))
	if s.Metrics != "" {
		if err := observeStreams(c.tel.Metrics, c.server, c.channels.outboxes()); err != nil {
			return nil, nil, err
		}
		if err := serveMetrics(g, s.Metrics, c.tel.Metrics, life.ready, log); err != nil {
			return nil, nil, err
		}
	}
	g.add("systemd", worker(telemetry.Supervised{Ready: life.ready, Alive: life.alive, Logger: log}.Run))
	if c.console != nil {
		g.add("console", worker(c.console.Serve))
	}
	if c.local != nil {
		g.add("local channel", worker(func(ctx context.Context) error { return c.local.run(ctx, life) }))
	}
	return g, life, nil
}

// watchSettings makes a part that follows the settings of plugins.
func (c *composition) watchSettings() part { return retrying(c.log, worker(c.pluginSettings.Watch)) }

// applyCapabilities holds connected plugins to what they may do now: the server closes the
// connections of those that may do something else, and their durables deliver no more than they may
// read.
func (c *composition) applyCapabilities(registry *router.Registry, provisioner *access.Provisioner) {
	if c.server.conn.IsClosed() {
		return
	}
	if c.server.limit != nil {
		if err := c.server.limit(registry.Capabilities); err != nil {
			c.log.Error("capabilities of plugins not applied to their connections", "error", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	if err := provisioner.Narrow(ctx); err != nil {
		c.log.Error("capabilities of plugins not applied to what they read", "error", err)
	}
}

// router makes a part of the command router.
func (c *composition) router(r router.Router) part {
	config := r.Config()
	config.Exclusive = !c.settings.External() // else other bots' routers share the consumer
	config.Observe = c.observe
	return retrying(c.log, worker(func(ctx context.Context) error {
		r.Stopping = ctx.Done()
		return consumers.Run(ctx, c.bus, config, r.Handle)
	}))
}

// plugin makes a part of a plugin, which no other process runs if it is exclusive. It is
// ready after its first attempt to start.
func (c *composition) plugin(p plugins.Plugin, exclusive bool) part {
	return func(ctx context.Context, ready func()) error {
		h := host.Host{
			Bus: c.bus, Bucket: c.registrations, Settings: c.pluginSettings, Logger: c.log, Observe: c.observe, OnStart: func(error) { ready() },
			Exclusive: exclusive, Restricted: c.restricted,
		}
		return h.Run(ctx, p)
	}
}
