package bot

import (
	"context"
	"time"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/cytube/past"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/admin"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/lease"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/streams/msgid"
	"github.com/rosey-bot/rosey/telemetry"
)

// assembly is a group while the parts of a composition are added to it.
type assembly struct {
	*composition
	*group
	registry    *router.Registry
	provisioner *access.Provisioner
	maintainer  *streams.Maintainer

	database, provisioned, registered readiness
	started                           []readiness // what platform.startup waits for
}

func newAssembly(c *composition) *assembly {
	a := &assembly{
		composition: c, group: &group{},
		registry:    router.NewRegistry(c.settings.Prefix, c.log),
		provisioner: access.NewProvisioner(c.bus, c.log),
		maintainer:  streams.NewMaintainer(c.bus, c.streamOptions(), c.log),
	}
	a.provisioner.Events = router.NewAccess(c.registrations).Events
	a.provisioner.Capabilities, a.provisioner.Confined = a.registry.Capabilities, a.registry.Confined
	a.registry.OnCapabilities = a.applyCapabilities
	a.registry.OnRegister = a.programs.registered
	a.registry.Durables = a.durables
	return a
}

func (a *assembly) addDatabase() {
	a.add("connection", worker(a.server.lost))
	a.database = a.add("database", retrying(a.log, a.composition.database.Serve))
}

// addAccess adds what plugins with credentials of their own need, and what says who may what.
func (a *assembly) addAccess() {
	a.provisioned = a.add("provisioner", retrying(a.log, func(ctx context.Context, ready func()) error {
		a.provisioner.OnReady = ready
		return a.provisioner.Serve(ctx)
	}))
	a.add("checkpoints", retrying(a.log, worker(func(ctx context.Context) error { return streams.KeepCheckpoints(ctx, a.server.js, a.log) })))
	a.add("timers", retrying(a.log, worker(streams.NewTimerForwarder(a.server.js, a.signer, a.log).Run)))
	a.registered = a.add("registrations", func(ctx context.Context, ready func()) error {
		return a.registry.Watch(ctx, a.server.js, a.registrations, convert(a.plugins, plugins.Plugin.Registration), ready)
	})
	a.add("settings", worker(func(ctx context.Context) error { return a.pluginSettings.Watch(ctx, a.log) }))
	a.add("events of settings", retrying(a.log, worker(func(ctx context.Context) error { return a.pluginSettings.KeepPublished(ctx, a.bus, a.log) })))
}

// addMaintenance adds what makes lost streams and buckets again, with what this process knows
// of them.
func (a *assembly) addMaintenance() {
	a.maintainer.OnRecreate(msgid.Bucket, func(ctx context.Context) error { return a.signer.Store(ctx, a.server.js) })
	a.maintainer.OnRecreate(router.Bucket, func(ctx context.Context) error { return a.registry.Recreated(ctx, a.registrations) })
	a.maintainer.OnRecreate(pluginsettings.Bucket, a.pluginSettings.Recreated)
	if a.leases != nil {
		a.maintainer.OnRecreate(lease.Bucket, a.leases.Recreated)
	}
	a.add("message IDs", worker(func(ctx context.Context) error { return a.signer.Follow(ctx, a.server.js, a.log) }))
	a.add("maintainer", worker(a.maintainer.Run))
}

func (a *assembly) addCommands() {
	commands := router.Router{
		Registry: a.registry, Prefix: a.settings.Prefix, Prefixes: a.channels.prefixes(), IsBot: a.channels.isAnyBot(a.server.js, a.log),
		Logger: a.log, Settings: a.pluginSettings, Cooldowns: a.cooldowns, Grants: a.grants,
	}
	if a.settings.Suggest {
		commands.Suggestions = router.NewSuggestions(a.server.js)
	}
	a.add("router", a.router(commands), a.registered)
	a.add("capabilities", worker(func(ctx context.Context) error {
		a.applyCapabilities()
		<-ctx.Done()
		return nil
	}), a.registered)
}

func (a *assembly) addPlugins() {
	a.started = append(a.started, a.database)
	for _, p := range a.plugins {
		if p.Name == admin.Name { // it may change what the bot's process may
			p = (&admin.Admin{Bus: a.bus, Settings: a.pluginSettings, Grants: a.grants, Channels: a.channels.names()}).Plugin()
		}
		a.started = append(a.started, a.add("plugin "+p.Name, a.plugin(p, !a.settings.External()), a.database))
	}
	a.started = append(a.started, a.add("plugin processes", a.programs.run, a.database, a.provisioned, a.registered))
}

func (a *assembly) addChannels() {
	a.add("connector", worker(a.channels.run))
	a.add("channel requests", retrying(a.log, worker(channelRequests{bus: a.bus, log: a.log}.run)))
	a.add("channel state", retrying(a.log, func(ctx context.Context, ready func()) error {
		return past.Serve(ctx, a.bus, a.channels.names(), ready)
	}))
	if !a.settings.External() || a.leases != nil {
		vacated := vacatedChannels{bus: a.bus, names: a.channels.names(), leases: a.leases, log: a.log}
		a.add("vacated channels", worker(vacated.run))
	}
}

func (a *assembly) addLifecycle() *lifecycle {
	life := &lifecycle{
		settings: a.settings, log: a.log, began: time.Now(), bus: a.bus, server: a.server, channels: a.channels,
		plugins: PluginNames(a.plugins), tracing: a.tel.Targets, registered: a.registered, started: a.started, programs: a.programs,
		maintained: a.maintainer.Problem,
	}
	a.add("lifecycle", worker(life.run))
	clock := &clockWatch{log: a.log, publish: func(ctx context.Context, subject string, payload any) { life.publish(ctx, subject, payload) }}
	a.add("clock", worker(clock.run))
	return life
}

func (a *assembly) addMetrics(life *lifecycle) error {
	if a.settings.Metrics == "" {
		return nil
	}
	if err := observeStreams(a.tel.Metrics, a.server, a.channels.outboxes()); err != nil {
		return err
	}
	return serveMetrics(a.group, a.settings.Metrics, a.tel.Metrics, life.ready, a.log)
}

// addOperators adds what speaks to those who run the bot.
func (a *assembly) addOperators(life *lifecycle) {
	a.add("systemd", worker(telemetry.Supervised{Ready: life.ready, Alive: life.alive, Logger: a.log}.Run))
	if a.console != nil {
		a.add("console", worker(a.console.Serve))
	}
	if a.local != nil {
		a.add("local channel", worker(func(ctx context.Context) error { return a.local.run(ctx, life) }))
	}
}

// durables returns the names of all consumers, and of those that plugins with processes of
// their own will have.
func (a *assembly) durables(ctx context.Context) ([]string, error) {
	list, err := monitor.Consumers(ctx, a.server.js)
	durables := convert(list, func(c monitor.ConsumerState) string { return c.Name })
	return append(durables, convert(a.programs.names(), streams.Durable)...), err
}

// applyCapabilities holds connected plugins to what they may do now: the server closes the
// connections of those that may do something else, and their durables deliver no more than they may
// read.
func (a *assembly) applyCapabilities() {
	if a.server.conn.IsClosed() {
		return
	}
	if a.server.limit != nil {
		if err := a.server.limit(a.registry.Capabilities); err != nil {
			a.log.Error("capabilities of plugins not applied to their connections", "error", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	if err := a.provisioner.Narrow(ctx); err != nil {
		a.log.Error("capabilities of plugins not applied to what they read", "error", err)
	}
}
