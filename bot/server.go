package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/lease"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/streams/msgid"
	"github.com/rosey-bot/rosey/streams/reconcile"
	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/streams/tracing"
)

// openTimeout limits how long the bot waits for a server's streams and buckets: a
// cluster that has just started elects a leader for each.
const openTimeout = 2 * time.Minute

// storeTimeout limits how long the bot waits for a command that has opened its store.
const storeTimeout = 10 * time.Second

// server is the NATS server that the bot is connected to, embedded or external.
type server struct {
	conn *nats.Conn
	js   jetstream.JetStream
	url  string
	full func() error // says why nothing new is stored; nil while it is
	stop func() error
	// limit makes the embedded server hold plugins to their capabilities; nil with an external one.
	limit func(may func(plugin string) event.Capabilities) error
}

// openServer starts the embedded server, or connects to the external one.
func (c *composition) openServer(ctx context.Context) (err error) {
	srv := &server{stop: func() error { return nil }}
	if c.settings.External() {
		if srv.conn, srv.js, err = connect.Open(ctx, client.Remote(c.settings, "rosey", c.log), client.ServerTimeout); err != nil {
			return err
		}
		srv.url = srv.conn.ConnectedUrlRedacted()
	} else if err := srv.embed(c.settings, c.log); err != nil {
		return err
	}
	c.server = srv
	return nil
}

func (srv *server) embed(s Settings, log *slog.Logger) error {
	if err := client.CheckStore(s.Store); err != nil {
		return err
	}
	embedded, err := embedded.Start(embedded.Config{
		Store: s.Store, Listen: s.Listen, SyncAlways: s.SyncAlways, Holder: "rosey run", LockTimeout: storeTimeout, Logger: log,
		Reserve: int64(s.StoreReserve), MaxStore: int64(s.StoreMax),
	})
	if err != nil {
		return err
	}
	srv.url, srv.full, srv.stop = embedded.Info().URL, embedded.Full, embedded.Stop
	srv.limit = embedded.SetCapabilities
	if srv.conn, err = embedded.Connect(nats.Name("rosey")); err != nil {
		return errors.Join(err, embedded.Stop())
	}
	srv.js, err = jetstream.New(srv.conn)
	return err
}

// lost waits until the connection is closed for good, and returns why.
func (srv *server) lost(ctx context.Context) error { return connect.AwaitClosed(ctx, srv.conn) }

// explain returns why the connection is closed for good in place of a part's failure:
// any part may notice that first, and in its own words.
func (srv *server) explain(ctx context.Context, err error) error {
	if err != nil && srv.conn.IsClosed() {
		return srv.lost(ctx)
	}
	return err
}

// openStreams creates or updates the streams and buckets, and opens the bus.
func (c *composition) openStreams(ctx context.Context) error {
	js, s := c.server.js, c.settings
	if err := jsapi.CheckUser(c.server.conn); err != nil {
		return err
	}
	err := retry.Do(ctx, jsapi.RetryUnavailable(openTimeout, c.log), func(ctx context.Context) error {
		err := streams.Open(ctx, js, c.streamOptions())
		if err != nil {
			return err
		}
		if err := c.openSigned(ctx); err != nil {
			return err
		}
		if c.cooldowns, err = router.OpenCooldowns(ctx, js, s.Replicas); err == nil {
			c.grants, err = router.OpenGrants(ctx, js, s.Replicas)
		}
		return err
	})
	if err != nil {
		return err
	}
	if s.External() { // the embedded server knows whether it stopped the last time
		reconcile.Run(ctx, js, c.log)
	}
	capacity := &monitor.Capacity{Observer: c.tel.Metrics}
	c.openBus(streams.WithObserver(capacity))
	if c.server.full == nil {
		c.server.full = capacity.Full
	}
	return nil
}

func (c *composition) streamOptions() streams.Options {
	return streams.Options{BeforeMigration: c.backUpOldStore, Replicas: c.settings.Replicas, Limits: c.settings.StreamLimits(), OnLoss: func(loss streams.RetentionLoss, accepted bool) {
		if accepted {
			c.log.Warn("retention lowered, events deleted", "stream", loss.Stream, "deleted", loss.String())
			return
		}
		c.log.Error("retention not lowered, which would delete events", "stream", loss.Stream, "would_delete", loss.String(), "remedy", loss.Remedy())
	}}
}

// backUpOldStore backs up the store before it is migrated from a format, unless
// an attempt before this one did.
func (c *composition) backUpOldStore(ctx context.Context, format int) error {
	dir := snapshot.OfFormat(c.settings.Store, format)
	if c.settings.External() { // this machine may have backups of others
		dir += "-" + jsapi.EncodeKey(cmp.Or(c.server.conn.ConnectedClusterName(), c.server.conn.ConnectedServerName()))
	}
	made, err := snapshot.Ensure(ctx, c.server.js, dir)
	if err != nil {
		return fmt.Errorf("back up the store before it is migrated: %w (make room, or make %s a link to an empty directory on another disk)", err, dir)
	}
	c.log.Info("migrating the store of an earlier release", "format", format, "backup", dir, "backup_made", made)
	return nil
}

// openSigned opens what a bus without restrictions has: the signer, the registrations and
// the settings of plugins.
func (c *composition) openSigned(ctx context.Context) (err error) {
	if c.signer, err = msgid.OpenSigner(ctx, c.server.js, c.settings.Replicas); err != nil {
		return err
	}
	return c.openPluginBuckets(ctx)
}

// openPluginBuckets opens the registrations and the settings of plugins.
func (c *composition) openPluginBuckets(ctx context.Context) (err error) {
	if c.registrations, err = router.OpenBucket(ctx, c.server.js, c.settings.Replicas); err == nil {
		c.pluginSettings, err = pluginsettings.Open(ctx, c.server.js, c.settings.Replicas)
	}
	return err
}

func (c *composition) openBus(options ...streams.BusOption) {
	c.bus = streams.NewBus(c.server.conn, c.server.js, append(options, streams.WithMessageIDSigner(c.signer),
		tracing.With(c.tel.Tracer("streams")), streams.WithLogger(c.log), streams.WithTimeout(c.settings.RequestTimeout))...)
}

// openLeases opens the leases of channels, unless no other process can be in one.
func (c *composition) openLeases(ctx context.Context) (err error) {
	if !c.settings.External() || c.settings.Local() {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	holder := fmt.Sprintf("%s, pid %d", host, os.Getpid())
	c.leases, err = retry.Value(ctx, jsapi.RetryUnavailable(openTimeout, c.log), func(ctx context.Context) (*lease.Leases, error) {
		return lease.Open(ctx, c.server.conn, c.server.js, c.settings.Replicas, holder, c.settings.LeaseTerm, c.log)
	})
	return err
}

func (c *composition) openDatabase(ctx context.Context) error {
	store, err := kvstore.NewStore(c.server.js,
		kvstore.WithReplicas(c.settings.Replicas), kvstore.WithLogger(c.log), kvstore.WithMemoryLimit(int64(c.settings.DatabaseMemory)))
	if err != nil {
		return err
	}
	c.database = service.New(c.server.conn, store, service.Options{
		Tracer:  c.bus.Tracer(),
		Access:  router.NewAccess(c.registrations),
		Observe: func(op string, took time.Duration, err error) { c.tel.Metrics.DatabaseOperation(ctx, op, took, err) },
	})
	return nil
}
