// Package harness runs what plugins need of a bot on a bus: router, database, settings,
// grants and the state of channels by their events, and no channel. Who uses it publishes the
// chat lines and reads what plugins send.
package harness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/cytube/past"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
)

// Config says what runs.
type Config struct {
	Plugins []plugins.Plugin // in this process
	Backoff []time.Duration  // of their events; consumers.DefaultBackoff if nil
	// Access serves plugins with credentials of their own, which run in other processes.
	Access bool
	Bot    string // the name of the bot, whose lines are no commands
	Logger *slog.Logger
	// OnError, if set, is called with the error of a part that ended by itself.
	OnError func(error)
}

// Prefix is what commands start with.
const Prefix = "!"

// Harness is what runs, until Stop.
type Harness struct {
	Bus           *streams.Bus
	Registrations jetstream.KeyValue
	Registry      *router.Registry
	Settings      *pluginsettings.Store
	Grants        *router.Grants

	database *service.Service
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// Start runs the parts on a bus whose streams are open, until ctx ends or Stop is called. They
// run when it returns, but plugins may still be starting.
func Start(ctx context.Context, bus *streams.Bus, c Config) (*Harness, error) {
	h := &Harness{Bus: bus, Registry: router.NewRegistry(Prefix, c.Logger)}
	cooldowns, err := h.open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("start a bot without a channel: %w", err)
	}
	commands := router.Router{
		Registry: h.Registry, Settings: h.Settings, Cooldowns: cooldowns, Grants: h.Grants, Prefix: Prefix,
		IsBot: func(_, user string) bool { return user == c.Bot }, Logger: c.Logger,
	}
	registered := make(chan struct{}) // the router knows every command of the plugins
	parts := []func(context.Context) error{
		func(ctx context.Context) error {
			return h.Registry.Watch(ctx, bus.JetStream(), h.Registrations, registrations(c.Plugins), func() { close(registered) })
		},
		func(ctx context.Context) error { return h.Settings.Watch(ctx, c.Logger) },
		func(ctx context.Context) error {
			select {
			case <-registered:
				return consumers.Run(ctx, bus, commands.Config(), commands.Handle)
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		func(ctx context.Context) error { return past.Serve(ctx, bus, nil, func() {}) },
	}
	if c.Access {
		provisioner := access.NewProvisioner(bus, c.Logger)
		provisioner.Events = router.NewAccess(h.Registrations).Events
		parts = append(parts, provisioner.Serve)
	}
	host := host.Host{Bus: bus, Bucket: h.Registrations, Settings: h.Settings, Logger: c.Logger, Backoff: c.Backoff}
	for _, p := range c.Plugins {
		parts = append(parts, func(ctx context.Context) error { return host.Run(ctx, p) })
	}
	ctx, h.cancel = context.WithCancel(ctx)
	for _, run := range parts {
		h.running.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) && c.OnError != nil {
				c.OnError(err)
			}
		})
	}
	return h, nil
}

func registrations(all []plugins.Plugin) (list []router.Registration) {
	for _, p := range all {
		list = append(list, p.Registration())
	}
	return list
}

// open opens the buckets and starts the database.
func (h *Harness) open(ctx context.Context, c Config) (cooldowns *router.Cooldowns, err error) {
	js := h.Bus.JetStream()
	if h.Registrations, err = router.OpenBucket(ctx, js, 1); err != nil {
		return nil, err
	}
	if h.Settings, err = pluginsettings.Open(ctx, js, 1); err != nil {
		return nil, err
	}
	if cooldowns, err = router.OpenCooldowns(ctx, js, 1); err != nil {
		return nil, err
	}
	if h.Grants, err = router.OpenGrants(ctx, js, 1); err != nil {
		return nil, err
	}
	store, err := kvstore.NewStore(js, kvstore.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	options := service.Options{}
	if c.Access {
		options.Access = router.NewAccess(h.Registrations)
	}
	h.database = service.New(h.Bus.Conn(), store, options)
	return cooldowns, h.database.Start()
}

// Stop ends the parts and returns when they have ended.
func (h *Harness) Stop() error {
	h.cancel()
	h.running.Wait()
	return h.database.Stop()
}
