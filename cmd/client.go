package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/telemetry"
)

// client is a command's connection to the streams: to an external server, to a
// running bot, or to a stopped bot's store that the command opens itself.
type client struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	bus     *streams.Bus
	running bool // false when the command opened the store itself
	server  *embedded.Server

	temporary string // store of a backup that is being read, or ""
}

// errNoBot says how to start a bot where there is none.
func errNoBot(store string) error {
	return fmt.Errorf("no bot is running on the store %s: start one with rosey run, or name another with --store or --nats", store)
}

// connectClient reaches a server that runs: the external one, or the bot's.
func connectClient(ctx context.Context, cfg settings.Settings, name string, log *slog.Logger) (*client, error) {
	return reachWithin(ctx, cfg, name, log, 0)
}

// patience is how long a process that is to run on and on waits for a server
// that is not there yet: such processes may all be started at once, in any order.
const patience = 30 * time.Second

// opening is how long it waits for a server's streams and buckets: a cluster
// that has just started has to choose a leader for each.
const opening = 2 * time.Minute

// await is connectClient for a process that is to run on and on.
func await(ctx context.Context, cfg settings.Settings, name string, log *slog.Logger) (*client, error) {
	return reachWithin(ctx, cfg, name, log, patience)
}

func reachWithin(ctx context.Context, cfg settings.Settings, name string, log *slog.Logger, patience time.Duration) (*client, error) {
	nc, err := connect.Await(ctx, remote(cfg, name, log), patience)
	if errors.Is(err, connect.ErrNotRunning) {
		return nil, errNoBot(cfg.Store)
	}
	if err != nil {
		return nil, err
	}
	return newClient(nc, nil)
}

// remote says where the NATS server is: the external one, or the bot's.
func remote(f settings.Settings, name string, log *slog.Logger) connect.Remote {
	r := connect.Remote{URL: f.NATS, Context: f.Context, Credentials: f.Creds, Name: name, Logger: log,
		TLS: connect.TLS{CA: f.TLSCA, Cert: f.TLSCert, Key: f.TLSKey}}
	if !f.External() {
		r.Store = f.Store
	}
	return r
}

// open is connectClient, or failing that it opens the store of a stopped bot.
func open(ctx context.Context, cfg settings.Settings, name string, log *slog.Logger) (*client, error) {
	if cfg.External() {
		return connectClient(ctx, cfg, name, log)
	}
	switch _, err := connect.Find(cfg.Store); {
	case errors.Is(err, fs.ErrPermission):
		return nil, err
	case !errors.Is(err, connect.ErrNotRunning):
		return connectClient(ctx, cfg, name, log)
	}
	switch is, err := embedded.IsStore(cfg.Store); {
	case err != nil:
		return nil, err
	case !is:
		return nil, fmt.Errorf("there is no store at %s: start a bot with rosey run, or name another store with --store", cfg.Store)
	}
	return openStore(cfg.Store, name, log)
}

func newClient(nc *nats.Conn, server *embedded.Server) (*client, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &client{nc: nc, js: js, bus: streams.NewBus(nc, js, streams.WithSource("rosey-cli")), running: server == nil, server: server}, nil
}

func (c *client) close() error {
	c.nc.Close()
	if c.server == nil {
		return nil
	}
	err := c.server.Stop()
	if c.temporary != "" {
		err = errors.Join(err, os.RemoveAll(c.temporary))
	}
	return err
}

// command is what every command that talks to the streams begins with.
type command struct {
	*client
	cfg settings.Settings
	log *slog.Logger
}

// withClient makes an action of one that needs a client. reading is true for
// actions that can do with a stopped bot's store.
func withClient(reading bool, do func(ctx context.Context, c *cli.Context, cmd command) error) cli.ActionFunc {
	if reading {
		return withReach(open, do)
	}
	return withReach(connectClient, do)
}

// withReach makes an action of one that needs the client that reach gives.
func withReach(reach func(context.Context, settings.Settings, string, *slog.Logger) (*client, error), do func(ctx context.Context, c *cli.Context, cmd command) error) cli.ActionFunc {
	return withConfig(func(ctx context.Context, c *cli.Context, cfg settings.Settings, log *slog.Logger) (err error) {
		reach := reach
		if !cfg.External() && snapshot.Is(cfg.Store) {
			reach = backupReader(c)
		} else if !cfg.External() {
			if err := whole(cfg.Store); err != nil {
				return err
			}
		}
		cl, err := reach(ctx, cfg, c.Command.HelpName, log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cl.close()) }()
		return do(ctx, c, command{client: cl, cfg: cfg, log: log})
	})
}

// withConfig makes an action of one that needs only the settings, and to know when
// it is interrupted.
func withConfig(do func(ctx context.Context, c *cli.Context, cfg settings.Settings, log *slog.Logger) error) cli.ActionFunc {
	return func(c *cli.Context) (err error) {
		cfg, err := loadSettings(c)
		if err != nil {
			return err
		}
		log, err := newLogger(c, cfg, "warn")
		if err != nil {
			return err
		}
		ctx, stop := interruptible(c.Context, c.App.ErrWriter)
		defer stop()
		defer quietly(ctx, &err, errInterrupted)
		return do(ctx, c, cfg, log)
	}
}

func newLogger(c *cli.Context, cfg settings.Settings, level string) (*slog.Logger, error) {
	if cfg.LogLevel != "" {
		level = cfg.LogLevel
	}
	log, err := telemetry.NewLogger(c.App.ErrWriter, level, cfg.LogFormat)
	if err != nil {
		return nil, &usageError{err}
	}
	return log, nil
}

// isTerminal reports whether v, a reader or writer, is a terminal.
func isTerminal(v any) bool {
	f, ok := v.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
