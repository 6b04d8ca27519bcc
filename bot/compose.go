package bot

import (
	"context"
	"log/slog"
	"time"

	"github.com/rosey-bot/rosey/console"
	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/lease"
	"github.com/rosey-bot/rosey/telemetry"
)

// composition is what the parts of a bot are made from.
type composition struct {
	settings Settings
	log      *slog.Logger
	tel      *telemetry.Providers
	observe  func(consumers.Outcome)
	plugins  []plugins.Plugin

	server   *server
	stored   stored
	database *service.Service
	local    *localChannel // nil where a channel is set
	leases   *lease.Leases // nil where no other process can be in a channel
	channels channels
	console  *console.Console // nil where none is served
}

// open opens everything in the order of its needs; close closes what it opened.
func (c *composition) open(ctx context.Context, t Terminal) (err error) {
	if c.server, err = openServer(ctx, c.settings, c.log); err != nil {
		return err
	}
	if c.stored, err = openStreams(ctx, c.settings, c.server, c.tel, c.log); err != nil {
		return err
	}
	if c.database, err = openDatabase(ctx, c.settings, c.server, c.stored.bus, c.tel, c.log); err != nil {
		return err
	}
	if c.settings.Local() {
		if c.local, err = openLocal(&c.settings, t); err != nil {
			return err
		}
	}
	if c.leases, err = openLeases(ctx, c.settings, c.server, c.log); err != nil {
		return err
	}
	if c.channels, err = openChannels(c.settings, c.stored.bus, c.leases, c.tel, c.log, c.observe); err != nil {
		return err
	}
	c.console, err = openConsole(c.settings, c.stored.bus, c.database.Store(), c.channels, c.local, c.log)
	return err
}

func (c *composition) close() error {
	if c.local != nil {
		c.local.close()
	}
	if c.server == nil {
		return nil
	}
	return c.server.close()
}

// compose adds every part of the bot to a group, after those that it needs.
func (c *composition) compose() (*group, *lifecycle, error) {
	s, log, bus := c.settings, c.log, c.stored.bus
	g := &group{}
	g.add("connection", worker(c.server.lost))
	database := g.add("database", retrying(log, c.database.Serve))
	g.add("provisioner", retrying(log, worker(access.NewProvisioner(bus, log).Serve)))
	g.add("timers", retrying(log, worker(streams.NewTimerForwarder(c.server.js, c.stored.signer, log).Run)))
	registry := router.NewRegistry(s.Prefix, log)
	registered := g.add("registrations", retrying(log, func(ctx context.Context, ready func()) error {
		return registry.Watch(ctx, c.stored.registrations, registrations(c.plugins), ready)
	}))
	commands := router.Router{Registry: registry, Prefix: s.Prefix, Prefixes: c.channels.prefixes(), IsBot: c.channels.isBot, Logger: log}
	g.add("router", c.consumer(commands.Config(), commands.Handle), registered)
	started := []readiness{database}
	for _, p := range c.plugins {
		started = append(started, g.add("plugin "+p.Name, c.plugin(p), database))
	}
	if s.Dispatched() {
		dispatcher := sender.NewDispatcher(bus, c.channels.names(), log, c.observe)
		if !s.External() {
			dispatcher.Alone()
		}
		g.add("dispatcher", c.consumer(dispatcher.Config(), dispatcher.Handle))
	}
	g.add("connector", worker(c.channels.run))
	if !s.External() || c.leases != nil {
		vacated := vacatedChannels{bus: bus, names: c.channels.names(), leases: c.leases, log: log, observe: c.observe}
		g.add("vacated channels", worker(vacated.run))
	}
	life := &lifecycle{
		settings: s, log: log, began: time.Now(), bus: bus, server: c.server, channels: c.channels,
		plugins: names(c.plugins), tracing: c.tel.Targets, registered: registered, started: started,
	}
	g.add("lifecycle", worker(life.run))
	if s.Metrics != "" {
		if err := observeStreams(c.tel.Metrics, c.server, c.channels.outboxes(s.Dispatched())); err != nil {
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

// consumer makes a part of an event handler on a durable consumer.
func (c *composition) consumer(config consumers.Config, handle consumers.Handler) part {
	if config.Observe == nil {
		config.Observe = c.observe
	}
	return retrying(c.log, worker(func(ctx context.Context) error { return consumers.Run(ctx, c.stored.bus, config, handle) }))
}

// plugin makes a part of a plugin. It is ready after its first attempt to start.
func (c *composition) plugin(p plugins.Plugin) part {
	return func(ctx context.Context, ready func()) error {
		h := host.Host{
			Bus: c.stored.bus, Bucket: c.stored.registrations, Logger: c.log, Observe: c.observe, OnStart: func(error) { ready() },
		}
		return h.Run(ctx, p)
	}
}
