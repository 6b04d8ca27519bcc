package bot

import (
	"context"
	"errors"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/tracing"
	"github.com/rosey-bot/rosey/telemetry"
)

// RunPlugin runs one plugin in this process, for a bot that runs in another, until ctx
// ends. It waits for the bot to appear. Settings.Metrics is the bot's own address, and
// metrics that of this process; "" serves none.
func RunPlugin(ctx context.Context, s Settings, p plugins.Plugin, metrics string, log *slog.Logger) (err error) {
	tel, err := telemetry.Setup(ctx, telemetry.Config{Service: "rosey-plugin-" + p.Name, Version: version.String(), Logger: log})
	if err != nil {
		return settings.Errorf("%w", err)
	}
	defer func() { err = errors.Join(err, tel.Shutdown(context.WithoutCancel(ctx))) }()
	otel.SetErrorHandler(tel)
	c, err := client.Await(ctx, s, "rosey plugin run", log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	srv := &server{conn: c.Conn, js: c.JS}
	bus, registrations, err := openPluginStreams(ctx, s, p.Name, srv, tel, log)
	if err != nil {
		return err
	}
	h := host.Host{Bus: bus, Bucket: registrations, Logger: log, Observe: outcomes(ctx, tel)}
	var g group
	g.add("plugin "+p.Name, worker(func(ctx context.Context) error { return h.Run(ctx, p) }))
	g.add("connection", worker(srv.lost))
	if metrics != "" {
		if err := serveMetrics(&g, metrics, tel.Metrics, srv.connected, log); err != nil {
			return err
		}
	}
	return srv.explain(ctx, g.run(ctx, func(error) {}))
}

// connected returns an error while there is no connection.
func (srv *server) connected(context.Context) error {
	if !srv.conn.IsConnected() {
		return errors.New("there is no connection to NATS")
	}
	return nil
}

// openPluginStreams opens the bus and the registrations for a plugin, which may have
// credentials of its own.
func openPluginStreams(ctx context.Context, s Settings, plugin string, srv *server, tel *telemetry.Providers, log *slog.Logger) (bus *streams.Bus, registrations jetstream.KeyValue, err error) {
	options := []streams.BusOption{
		tracing.With(tel.Tracer("streams")), streams.WithLogger(log), streams.WithTimeout(s.RequestTimeout), streams.WithObserver(tel.Metrics),
	}
	var signer streams.MessageIDSigner
	err = retry.Do(ctx, streams.WhileUnanswered(openTimeout, log), func(ctx context.Context) error {
		restricted, err := access.Restricted(srv.conn)
		if err != nil {
			return err
		}
		if !restricted {
			if signer, err = streams.OpenMessageIDSigner(ctx, srv.js, s.Replicas); err == nil {
				registrations, err = router.OpenBucket(ctx, srv.js, s.Replicas)
			}
			return err
		}
		options = append(options, streams.WithManager(access.Delegate(srv.js, plugin)))
		if signer, err = streams.CredentialSigner(srv.conn); err == nil {
			registrations, err = srv.js.KeyValue(ctx, router.Bucket)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return streams.NewBus(srv.conn, srv.js, append(options, streams.WithMessageIDSigner(signer))...), registrations, nil
}
