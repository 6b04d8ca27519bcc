package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry"
)

// client is a command's connection to the streams: to an external server, to a
// running bot, or to a stopped bot's store that the command opens itself.
type client struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	bus     *streams.Bus
	running bool // false when the command opened the store itself
	server  *streams.Server
}

// errNoBot says how to start a bot where there is none.
func errNoBot(store string) error {
	return fmt.Errorf("no bot is running on the store %s: start one with rosey run, or name another with --store or --nats", store)
}

// connect reaches a server that runs: the external one, or the bot's.
func connect(cfg config, name string, log *slog.Logger) (*client, error) {
	remote := streams.Remote{URL: cfg.NATS, Context: cfg.Context, Credentials: cfg.Creds, Name: name, Logger: log}
	if !cfg.external() {
		info, err := streams.Find(cfg.Store)
		if errors.Is(err, streams.ErrNotRunning) {
			return nil, errors.Join(errNoBot(cfg.Store))
		}
		if err != nil {
			return nil, err
		}
		remote.URL, remote.User, remote.Password = info.URL, info.User, info.Password
	}
	nc, err := streams.Dial(remote)
	if err != nil {
		return nil, err
	}
	return newClient(nc, nil)
}

// open is connect, or failing that it opens the store of a stopped bot.
func open(cfg config, name string, log *slog.Logger) (*client, error) {
	if cfg.external() {
		return connect(cfg, name, log)
	}
	if _, err := streams.Find(cfg.Store); !errors.Is(err, streams.ErrNotRunning) {
		return connect(cfg, name, log)
	}
	if _, err := os.Stat(cfg.Store); err != nil {
		return nil, fmt.Errorf("there is no store at %s: start a bot with rosey run, or name another store with --store", cfg.Store)
	}
	server, err := streams.StartServer(streams.ServerConfig{Store: cfg.Store, Holder: name, Logger: log})
	if err != nil {
		return nil, err
	}
	nc, err := server.Connect(nats.Name(name))
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return newClient(nc, server)
}

func newClient(nc *nats.Conn, server *streams.Server) (*client, error) {
	js, err := streams.JetStream(nc)
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
	return c.server.Stop()
}

// command is what every command that talks to the streams begins with.
type command struct {
	*client
	cfg config
	log *slog.Logger
}

// withClient makes an action of one that needs a client. reading is true for
// actions that can do with a stopped bot's store.
func withClient(reading bool, do func(ctx context.Context, c *cli.Context, cmd command) error) cli.ActionFunc {
	return func(c *cli.Context) (err error) {
		cfg, err := loadConfig(c)
		if err != nil {
			return err
		}
		log, err := newLogger(c, cfg, "warn")
		if err != nil {
			return err
		}
		reach := connect
		if reading {
			reach = open
		}
		cl, err := reach(cfg, "rosey "+c.Command.FullName(), log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cl.close()) }()
		ctx, stop := interruptible(c.Context)
		defer stop()
		return do(ctx, c, command{client: cl, cfg: cfg, log: log})
	}
}

func newLogger(c *cli.Context, cfg config, level string) (*slog.Logger, error) {
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
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// coloured reports whether output to w may have colours.
func coloured(w any) bool {
	_, no := os.LookupEnv("NO_COLOR")
	return !no && isTerminal(w)
}
