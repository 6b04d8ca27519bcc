package streams

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/natscontext"
)

// Remote says how to reach a NATS server or cluster: by Store, URL or Context.
type Remote struct {
	Store       string // of a bot whose embedded server is meant
	URL         string // one or more, separated by commas
	Context     string // a NATS CLI context by name
	Credentials string // path of a .creds file
	User        string
	Password    string
	TLS         TLS
	Name        string       // of the connection, as the server lists it
	Logger      *slog.Logger // is told of lost and restored connections; nil discards
}

// TLS names files for a server whose certificate the machine does not know, or
// that wants one of its clients. Empty ones are left out.
type TLS struct {
	CA        string // certificates of who signed the server's
	Cert, Key string // the client's own
}

func (t TLS) options() (opts []nats.Option) {
	if t.CA != "" {
		opts = append(opts, nats.RootCAs(t.CA))
	}
	if t.Cert != "" || t.Key != "" {
		opts = append(opts, nats.ClientCert(t.Cert, t.Key))
	}
	return opts
}

const (
	retryEvery = 250 * time.Millisecond // between two attempts to connect
	pingEvery  = 10 * time.Second       // between two looks whether the server is there
)

// Await is Dial for a server that may take a while to appear: it tries again
// until patience is used up or ctx ends, and returns the last failure then.
func Await(ctx context.Context, r Remote, patience time.Duration) (*nats.Conn, error) {
	deadline := time.Now().Add(patience)
	for told := false; ; told = true {
		nc, err := Dial(r)
		if err == nil || !absent(err) || time.Now().After(deadline) {
			return nc, err
		}
		if !told && r.Logger != nil {
			r.Logger.WarnContext(ctx, "waiting for the NATS server", "at_most", patience, "error", err)
		}
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// Insist does something with NATS again and again while NATS does not answer,
// until patience is used up or ctx ends, and returns the last failure then. Other
// failures it returns at once.
func Insist(ctx context.Context, patience time.Duration, log *slog.Logger, do func(context.Context) error) error {
	began := time.Now()
	var told time.Time
	for {
		err := do(ctx)
		if err == nil || ctx.Err() != nil || !Unanswered(err) || time.Since(began) >= patience {
			return err
		}
		if time.Since(told) > tellEvery {
			told = time.Now()
			log.WarnContext(ctx, "NATS does not answer, will try again (a cluster needs some seconds to choose a leader)", "every", retryEvery, "error", err)
		}
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
			return err
		}
	}
}

// tellEvery is the time between two warnings about the same outage.
const tellEvery = 5 * time.Second

// Unanswered reports whether a request got no answer, as when the server crashed
// or is away, or a cluster has no leader for what was asked.
func Unanswered(err error) bool {
	for _, e := range [...]error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrDisconnected, nats.ErrNoResponders,
		jetstream.ErrNoStreamResponse, jetstream.ErrJetStreamNotEnabled, // nobody answers requests to JetStream
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var api *jetstream.APIError
	return errors.As(err, &api) && api.Code == http.StatusServiceUnavailable
}

// absent reports whether a connection failed because the server is not there, or
// not yet.
func absent(err error) bool {
	var file *fs.PathError // is a net.Error, too
	if errors.As(err, &file) {
		return false
	}
	var network net.Error
	return errors.Is(err, ErrNotRunning) || errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, io.EOF) || errors.As(err, &network)
}

// Dial connects to a server that is there, and from then on reconnects for ever:
// JetStream keeps what happened meanwhile. The error wraps ErrNotRunning when no
// bot runs on the store.
func Dial(r Remote) (*nats.Conn, error) {
	log := r.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	opts := []nats.Option{
		nats.Name(r.Name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(retryEvery),
		nats.ReconnectJitter(100*time.Millisecond, time.Second),
		// A server whose machine is gone says nothing.
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("lost the NATS server, reconnecting", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			level, subject := slog.LevelWarn, ""
			if sub != nil {
				subject = sub.Subject
			}
			if errors.Is(err, nats.ErrSlowConsumer) {
				// A durable's reader takes one message at a time; what else the
				// server tells it when leaders change may be dropped.
				level = slog.LevelDebug
			}
			log.Log(context.Background(), level, "NATS reports an error", "subject", subject, "error", err)
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("reconnected to NATS", "address", nc.ConnectedAddr()) }),
	}
	opts = append(opts, r.TLS.options()...)
	if r.Credentials != "" {
		opts = append(opts, nats.UserCredentials(r.Credentials))
	}
	if r.User != "" {
		opts = append(opts, nats.UserInfo(r.User, r.Password))
	}
	for _, path := range []string{r.Credentials, r.TLS.CA, r.TLS.Cert, r.TLS.Key} {
		if err := tryRead(path); err != nil {
			return nil, fmt.Errorf("connect to NATS: %w (correct --creds or the --tls… files)", err)
		}
	}
	var nc *nats.Conn
	var err error
	switch {
	case r.Store != "":
		nc, err = nats.Connect("", append(append(opts, nats.Timeout(greetingTimeout)), follow(r.Store, r.Credentials == "")...)...)
		if errors.Is(err, ErrNotRunning) {
			return nil, fmt.Errorf("%w: %s", ErrNotRunning, r.Store)
		}
		var file *fs.PathError
		if errors.As(err, &file) {
			return nil, err // says what to do about the store
		}
	case r.URL != "":
		nc, err = nats.Connect(r.URL, opts...)
	default:
		nc, _, err = natscontext.Connect(r.Context, opts...)
	}
	if err != nil {
		where := redact(r.URL)
		switch {
		case r.Store != "":
			where = "store " + r.Store
		case where == "":
			where = "context " + r.Context
		}
		return nil, fmt.Errorf("connect to NATS at %s: %w (is the server running, and are --nats, --context, --creds and the --tls… files right?)", where, err)
	}
	return nc, nil
}

// tryRead returns an error unless a file can be read, or none is named.
func tryRead(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// follow makes a connection that asks the store at each attempt where its server
// is: a bot that was started again may listen elsewhere. With owner set it is let
// in as the owner of the store.
func follow(store string, owner bool) []nats.Option {
	dialer := nats.SetCustomDialer(storeDialer(store))
	if !owner {
		return []nats.Option{dialer}
	}
	credentials := func() (user, password string) {
		info, err := Find(store)
		if err != nil {
			return "", "" // the dialler says so
		}
		return info.User, info.Password
	}
	return []nats.Option{
		dialer,
		nats.UserInfoHandler(credentials),
		// Refusals end with the stranger that has the old port.
		nats.IgnoreAuthErrorAbort(),
	}
}

// storeDialer dials the server that runs on a store, whatever address it is
// given.
type storeDialer string

func (d storeDialer) Dial(network, _ string) (net.Conn, error) {
	info, err := Find(string(d))
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(info.URL)
	if err != nil {
		return nil, fmt.Errorf("read server details: %w", err)
	}
	return net.DialTimeout(network, u.Host, nats.DefaultTimeout)
}

// JetStream is the JetStream context of a connection. It fails when the server
// has JetStream switched off only once it is used.
func JetStream(nc *nats.Conn) (jetstream.JetStream, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return js, nil
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
