// Package connect connects to a NATS server or cluster: by URL, by a NATS CLI
// context, or by the store of a bot, whose server.json names the server that runs
// on it.
package connect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/natscontext"

	"github.com/rosey-bot/rosey/internal/retry"
)

// Remote says how to reach a NATS server or cluster: by Store, URL or Context.
type Remote struct {
	Store       string // directory of a bot whose embedded server is meant
	URL         string // one or more, separated by commas
	Context     string // name of a NATS CLI context
	Credentials string // path of a .creds file
	User        string
	Password    string
	TLS         TLS
	Name        string       // of the connection, as the server lists it
	Logger      *slog.Logger // logs lost and restored connections; nil discards
}

// TLS names files for a server whose certificate the machine does not know, or
// that wants one of its clients. Empty ones are left out.
type TLS struct {
	CA        string // certificates of the authority that signed the server's
	Cert, Key string // the client's own
}

const (
	reconnectWait = 250 * time.Millisecond // between two attempts to connect
	pingInterval  = 10 * time.Second
)

// HandshakeTimeout bounds the handshake with an embedded server. It is longer than
// the client's usual 2 s because the server shares its machine with the bot.
const HandshakeTimeout = 15 * time.Second

// Await calls Dial until the server can be reached, for at most the given time or
// until ctx ends, and returns the last failure then.
func Await(ctx context.Context, r Remote, atMost time.Duration) (*nats.Conn, error) {
	c, err := r.await(ctx, atMost)
	return c.nc, err
}

// Open is Await with the connection's JetStream, which for a NATS CLI context may be in
// a domain or have an API prefix.
func Open(ctx context.Context, r Remote, atMost time.Duration) (*nats.Conn, jetstream.JetStream, error) {
	c, err := r.await(ctx, atMost)
	if err != nil {
		return nil, nil, err
	}
	prefix := cmp.Or(c.settings.JSAPIPrefix, jetstream.DefaultAPIPrefix)
	if c.settings.JSDomain != "" {
		prefix = "$JS." + c.settings.JSDomain + ".API" // which all our requests go by, where a domain's name would not do
	}
	js, err := jetstream.NewWithAPIPrefix(c.nc, prefix)
	if err != nil {
		c.nc.Close()
		return nil, nil, err
	}
	return c.nc, js, nil
}

// connection is what Remote leads to; settings are those of a NATS CLI context.
type connection struct {
	nc       *nats.Conn
	settings natscontext.Settings
}

func (r Remote) await(ctx context.Context, atMost time.Duration) (connection, error) {
	policy := retry.Policy{MaxElapsed: atMost, Initial: reconnectWait, Max: reconnectWait, If: func(err error) bool { return atMost > 0 && unreachable(err) },
		Logger: r.Logger, Operation: "connection to NATS"}
	return retry.Value(ctx, policy, func(context.Context) (connection, error) { return r.dial() })
}

// unreachable reports whether a connection failed because the server is not there,
// or not yet.
func unreachable(err error) bool {
	var file *fs.PathError // is a net.Error, too
	if errors.As(err, &file) {
		return false
	}
	var network net.Error
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "remote error" {
		return false // an alert of TLS, such as "certificate required"
	}
	return errors.Is(err, ErrNotRunning) || errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, io.EOF) || errors.As(err, &network)
}

// Dial connects to a server that is there, and from then on reconnects for ever:
// JetStream keeps what happened meanwhile. The error wraps ErrNotRunning when no
// bot runs on the store.
func Dial(r Remote) (*nats.Conn, error) {
	c, err := r.dial()
	return c.nc, err
}

func (r Remote) dial() (c connection, err error) {
	for _, path := range []string{r.Credentials, r.TLS.CA, r.TLS.Cert, r.TLS.Key} {
		if _, err := os.ReadFile(path); path != "" && err != nil {
			return connection{}, fmt.Errorf("connect to NATS: %w (correct the path of the credentials or TLS file)", err)
		}
	}
	opts := r.options()
	where := "context " + r.Context
	switch {
	case r.Store != "":
		where = "store " + r.Store
		c.nc, err = nats.Connect("", append(opts, storeOptions(r.Store, r.Credentials == "")...)...)
		if errors.Is(err, ErrNotRunning) {
			return connection{}, fmt.Errorf("%w: %s", ErrNotRunning, r.Store)
		}
		if _, ok := errors.AsType[*fs.PathError](err); ok {
			return connection{}, err // says what to do about the store
		}
	case r.URL != "":
		where = redact(r.URL)
		c.nc, err = nats.Connect(r.URL, append(opts, nats.SetCustomDialer(dialer{nats.DefaultTimeout}))...)
	default:
		c.nc, c.settings, err = natscontext.Connect(r.Context, opts...)
	}
	if err != nil {
		return connection{}, fmt.Errorf("connect to NATS at %s: %w (is the server running, and are its address, the credentials and the TLS files right?)", where, err)
	}
	return c, nil
}

// dialer dials connections whose reader learns why the server closed them.
type dialer struct{ timeout time.Duration }

// Dial implements nats.CustomDialer.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	c, err := net.DialTimeout(network, address, d.timeout)
	return readOnConn{c}, err
}

// readOnConn is a connection on which writing after the peer closed it does not fail.
// Reading does, and finds a TLS alert there, such as "certificate required", which the
// server sent before.
type readOnConn struct{ net.Conn }

func (c readOnConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return len(b), nil
	}
	return n, err
}

func (r Remote) options() []nats.Option {
	opts := []nats.Option{
		nats.Name(r.Name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(100*time.Millisecond, time.Second),
		// Without pings a server whose machine is gone would not be missed.
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(2),
	}
	opts = append(opts, logOptions(r.Logger)...)
	if r.TLS.CA != "" {
		opts = append(opts, nats.RootCAs(r.TLS.CA))
	}
	if r.TLS.Cert != "" || r.TLS.Key != "" {
		opts = append(opts, nats.ClientCert(r.TLS.Cert, r.TLS.Key))
	}
	if r.Credentials != "" {
		opts = append(opts, nats.UserCredentials(r.Credentials))
	}
	if r.User != "" {
		opts = append(opts, nats.UserInfo(r.User, r.Password))
	}
	return opts
}

func logOptions(log *slog.Logger) []nats.Option {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("NATS disconnected, reconnecting", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			level, subject := slog.LevelWarn, ""
			if sub != nil {
				subject = sub.Subject
			}
			if errors.Is(err, nats.ErrSlowConsumer) {
				// A durable's reader takes one message at a time; status messages
				// that the server sends when leaders change may be dropped.
				level = slog.LevelDebug
			}
			log.Log(context.Background(), level, "NATS error", "subject", subject, "error", err)
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("NATS reconnected", "address", nc.ConnectedAddr()) }),
	}
}

// redact hides the passwords of a list of server URLs.
func redact(urls string) string {
	list := strings.Split(urls, ",")
	for i, raw := range list {
		if u, err := url.Parse(strings.TrimSpace(raw)); err == nil {
			list[i] = u.Redacted()
		}
	}
	return strings.Join(list, ",")
}

// AwaitClosed waits until a connection is closed for good, as when its credentials
// are no longer accepted, and returns why; nil when ctx ends before.
func AwaitClosed(ctx context.Context, nc *nats.Conn) error {
	closed := nc.StatusChanged(nats.CLOSED)
	defer nc.RemoveStatusListener(closed)
	if !nc.IsClosed() {
		select {
		case <-closed:
		case <-ctx.Done():
			return nil
		}
	}
	if err := nc.LastError(); err != nil {
		return fmt.Errorf("the connection to NATS is closed: %w (were the credentials revoked or replaced?)", err)
	}
	return nats.ErrConnectionClosed
}
