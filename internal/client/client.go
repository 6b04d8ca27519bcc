// Package client reaches what a bot has stored: over a server that runs, or by
// opening the store of a stopped bot, or a backup.
package client

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

	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// Client is a connection to the streams of a bot.
type Client struct {
	Conn    *nats.Conn
	JS      jetstream.JetStream
	Bus     *streams.Bus
	Running bool // the server runs elsewhere; false when the client opened the store

	server    *embedded.Server // of a store that the client opened
	temporary string           // directory to remove when the client is closed
}

// ServerTimeout limits how long a process that runs on and on waits for a server
// that is not there yet: all of them may be started at once, in any order.
const ServerTimeout = 30 * time.Second

// Connect connects to a server that runs: the external one, or the bot's.
func Connect(ctx context.Context, s settings.Settings, name string, log *slog.Logger) (*Client, error) {
	return Await(ctx, s, name, log, 0)
}

// Await connects as Connect does, to a server that may take the timeout to appear.
func Await(ctx context.Context, s settings.Settings, name string, log *slog.Logger, timeout time.Duration) (*Client, error) {
	nc, js, err := connect.Open(ctx, Remote(s, name, log), timeout)
	if errors.Is(err, connect.ErrNotRunning) {
		return nil, ErrNoBot(s.Store)
	}
	if err != nil {
		return nil, err
	}
	return newClient(nc, js, nil), nil
}

// ErrNoBot returns the error of a store on which no bot runs.
func ErrNoBot(store string) error {
	return fmt.Errorf("no bot is running on the store %s: start one with rosey run, or name another with --store or --nats", store)
}

// Remote returns where the settings say that the NATS server is.
func Remote(s settings.Settings, name string, log *slog.Logger) connect.Remote {
	r := connect.Remote{URL: s.NATS, Context: s.Context, Credentials: s.Creds, Name: name, Logger: log,
		TLS: connect.TLS{CA: s.TLSCA, Cert: s.TLSCert, Key: s.TLSKey}}
	if !s.External() {
		r.Store = s.Store
	}
	return r
}

// Open connects as Connect does, or else opens the store of a stopped bot.
func Open(ctx context.Context, s settings.Settings, name string, log *slog.Logger) (*Client, error) {
	if s.External() {
		return Connect(ctx, s, name, log)
	}
	switch _, err := connect.Find(s.Store); {
	case errors.Is(err, fs.ErrPermission):
		return nil, err
	case !errors.Is(err, connect.ErrNotRunning):
		return Connect(ctx, s, name, log)
	}
	switch exists, err := embedded.IsStore(s.Store); {
	case err != nil:
		return nil, err
	case !exists:
		return nil, fmt.Errorf("there is no store at %s: start a bot with rosey run, or name another store with --store", s.Store)
	}
	return openStore(s.Store, name, log)
}

func newClient(nc *nats.Conn, js jetstream.JetStream, server *embedded.Server) *Client {
	return &Client{Conn: nc, JS: js, Bus: streams.NewBus(nc, js, streams.WithSource("rosey-cli")), Running: server == nil, server: server}
}

// Close closes the connection and the store, where the client opened it.
func (c *Client) Close() error {
	c.Conn.Close()
	if c.server == nil {
		return nil
	}
	err := c.server.Stop()
	if c.temporary != "" {
		err = errors.Join(err, os.RemoveAll(c.temporary))
	}
	return err
}
