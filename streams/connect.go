package streams

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/natscontext"
)

// Remote says how to reach an external NATS server or cluster.
type Remote struct {
	URL         string // one or more, separated by commas
	Context     string // a NATS CLI context by name; used when URL is empty
	Credentials string // path of a .creds file
	User        string
	Password    string
	Name        string       // of the connection, as the server lists it
	Logger      *slog.Logger // is told of lost and restored connections; nil discards
}

// Dial connects to an external server. It waits for the first connection, and
// then reconnects for ever: JetStream keeps what happened meanwhile.
func Dial(r Remote) (*nats.Conn, error) {
	log := r.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	opts := []nats.Option{
		nats.Name(r.Name),
		nats.MaxReconnects(-1),
		nats.ReconnectJitter(100*time.Millisecond, time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("lost the NATS server, reconnecting", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("reconnected to NATS", "url", nc.ConnectedUrlRedacted()) }),
	}
	if r.Credentials != "" {
		opts = append(opts, nats.UserCredentials(r.Credentials))
	}
	if r.User != "" {
		opts = append(opts, nats.UserInfo(r.User, r.Password))
	}
	var nc *nats.Conn
	var err error
	if r.URL != "" {
		nc, err = nats.Connect(r.URL, opts...)
	} else {
		nc, _, err = natscontext.Connect(r.Context, opts...)
	}
	if err != nil {
		where := redact(r.URL)
		if where == "" {
			where = "context " + r.Context
		}
		return nil, fmt.Errorf("connect to NATS at %s: %w (is the server running, and are --nats, --context and --creds right?)", where, err)
	}
	return nc, nil
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
