package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/lease"
	"github.com/rosey-bot/rosey/streams/tracing"
	"github.com/rosey-bot/rosey/telemetry"
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
}

// openServer starts the embedded server, or connects to the external one.
func openServer(ctx context.Context, s Settings, log *slog.Logger) (_ *server, err error) {
	srv := &server{stop: func() error { return nil }}
	if s.External() {
		if srv.conn, err = connect.Await(ctx, client.Remote(s, "rosey", log), client.ServerTimeout); err != nil {
			return nil, err
		}
		srv.url = srv.conn.ConnectedUrlRedacted()
	} else if err := srv.embed(s, log); err != nil {
		return nil, err
	}
	if srv.js, err = jetstream.New(srv.conn); err != nil {
		return nil, errors.Join(err, srv.close())
	}
	return srv, nil
}

// embed starts a server on the store.
func (srv *server) embed(s Settings, log *slog.Logger) error {
	if err := client.CheckStore(s.Store); err != nil {
		return err
	}
	embedded, err := embedded.Start(embedded.Config{
		Store: s.Store, Listen: s.Listen, SyncAlways: s.SyncAlways, Holder: "rosey run", Patience: storeTimeout, Logger: log,
		Reserve: int64(s.StoreReserve), MaxStore: int64(s.StoreMax),
	})
	if err != nil {
		return err
	}
	srv.url, srv.full, srv.stop = embedded.Info().URL, embedded.Full, embedded.Stop
	if srv.conn, err = embedded.Connect(nats.Name("rosey")); err != nil {
		return errors.Join(err, embedded.Stop())
	}
	return nil
}

func (srv *server) close() error {
	srv.conn.Close()
	return srv.stop()
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
func openStreams(ctx context.Context, s Settings, srv *server, tel *telemetry.Providers, log *slog.Logger) (st stored, err error) {
	err = retry.Do(ctx, streams.WhileUnanswered(openTimeout, log), func(ctx context.Context) (err error) {
		if err = streams.Open(ctx, srv.js, streams.Options{Replicas: s.Replicas, Limits: s.StreamLimits()}); err != nil {
			return err
		}
		if st.signer, err = streams.OpenMessageIDSigner(ctx, srv.js, s.Replicas); err != nil {
			return err
		}
		st.registrations, err = router.OpenBucket(ctx, srv.js, s.Replicas)
		return err
	})
	if err != nil {
		return stored{}, err
	}
	if s.External() { // the embedded server knows whether it stopped the last time
		streams.Reconcile(ctx, srv.js, log)
	}
	capacity := &streams.Capacity{Observer: tel.Metrics}
	st.bus = streams.NewBus(srv.conn, srv.js, streams.WithMessageIDSigner(st.signer), tracing.With(tel.Tracer("streams")), streams.WithLogger(log),
		streams.WithTimeout(s.RequestTimeout), streams.WithObserver(capacity))
	if srv.full == nil {
		srv.full = capacity.Full
	}
	return st, nil
}

// openLeases opens the leases of channels, or returns nil where no other process can
// be in one.
func openLeases(ctx context.Context, s Settings, srv *server, log *slog.Logger) (leases *lease.Leases, err error) {
	if !s.External() || s.Local() {
		return nil, nil
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	holder := fmt.Sprintf("%s, pid %d", host, os.Getpid())
	return retry.Value(ctx, streams.WhileUnanswered(openTimeout, log), func(ctx context.Context) (*lease.Leases, error) {
		return lease.Open(ctx, srv.conn, srv.js, s.Replicas, holder, lease.Timing{Term: s.LeaseTerm}, log)
	})
}

// stored is what the bot keeps on the server, apart from the database.
type stored struct {
	bus           *streams.Bus
	signer        streams.MessageIDSigner
	registrations jetstream.KeyValue
}

// openDatabase opens the database's service.
func openDatabase(ctx context.Context, s Settings, srv *server, bus *streams.Bus, tel *telemetry.Providers, log *slog.Logger) (*service.Service, error) {
	store, err := kvstore.NewStore(srv.js, kvstore.WithReplicas(s.Replicas), kvstore.WithLogger(log), kvstore.WithMemoryLimit(int64(s.DatabaseMemory)))
	if err != nil {
		return nil, err
	}
	return service.New(srv.conn, store, service.Options{
		Tracer:  bus.Tracer(),
		Observe: func(op string, took time.Duration, err error) { tel.Metrics.DatabaseOperation(ctx, op, took, err) },
	}), nil
}
