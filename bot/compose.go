package bot

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"

	"github.com/rosey-bot/rosey/console"
	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/lease"
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
	a := newAssembly(c)
	a.addDatabase()
	a.addAccess()
	a.addMaintenance()
	a.addCommands()
	a.addPlugins()
	a.addChannels()
	life := a.addLifecycle()
	if err := a.addMetrics(life); err != nil {
		return nil, nil, err
	}
	a.addOperators(life)
	return a.group, life, nil
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

// prefix returns what commands begin with in a channel.
func (c *composition) prefix(channel string) string {
	return cmp.Or(c.channels.prefixes()[strings.ToLower(channel)], c.settings.Prefix)
}

// plugin makes a part of a plugin, which no other process runs if it is exclusive. It is
// ready after its first attempt to start.
func (c *composition) plugin(p plugins.Plugin, exclusive bool) part {
	return func(ctx context.Context, ready func()) error {
		h := host.Host{
			Bus: c.bus, Bucket: c.registrations, Settings: c.pluginSettings, Logger: c.log, Observe: c.observe, OnStart: func(error) { ready() },
			Exclusive: exclusive, Restricted: c.restricted, Prefix: c.prefix,
		}
		return h.Run(ctx, p)
	}
}
