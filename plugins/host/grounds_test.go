package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// grounds are a bot's bus on a server that listens, with a plugin "guest" that has
// credentials of its own and a plugin "victim" that has none.
type grounds struct {
	*streams.Bus
	t     *testing.T
	store string
	url   string
	creds string
	auth  nats.Option // of the guest; its creds when nil

	registrations jetstream.KeyValue
	server        *embedded.Server // nil for an external one
}

// external is the same on a server that knows the guest from its configuration.
func external(t *testing.T) *grounds {
	t.Helper()
	config := "listen: 127.0.0.1:-1\njetstream { store_dir: " + strconv.Quote(t.TempDir()) + " }\n" + access.PluginPermissions("guest", append(event.BaseCapabilities(), event.Abilities()...)).Config("BOT")
	config = strings.Replace(config, "  BOT {\n", "  BOT {\n    jetstream: enabled\n    users: [ { user: bot, password: bot } ]\n", 1)
	config = strings.Replace(config, "$PASSWORD_OF_GUEST", "guest", 1)
	path := filepath.Join(t.TempDir(), "server.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, config)
	}
	opts.NoSigs = true
	ns, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	if !ns.ReadyForConnections(time.Minute) {
		t.Fatal("the server did not start")
	}
	g := &grounds{t: t, url: ns.ClientURL(), auth: nats.UserInfo("plugin-guest", "guest")}
	closed := make(chan struct{})
	nc, err := nats.Connect(g.url, nats.UserInfo("bot", "bot"), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); <-closed })
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Open(streamstest.Context(t), js, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	g.Bus = streams.NewBus(nc, js)
	g.serve()
	return g
}

func newGrounds(t *testing.T) *grounds {
	t.Helper()
	g := &grounds{t: t, store: t.TempDir()}
	g.server = streamstest.ServerOn(t, g.store)
	g.url = g.server.Info().URL
	g.Bus = streamstest.Bus(t, g.server)
	g.creds = g.issue()
	g.serve()
	return g
}

// serve runs what a bot offers to plugins.
func (g *grounds) serve() {
	t := g.t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	kv, err := router.OpenBucket(ctx, g.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"guest", "victim"} {
		if err := access.OpenCommandConsumer(ctx, g.JetStream(), name); err != nil {
			t.Fatal(err)
		}
		if _, err := router.Register(ctx, kv, router.Registration{Name: name, Version: "1.0.0"}); err != nil {
			t.Fatal(err)
		}
	}
	store, err := kvstore.NewStore(g.JetStream(), kvstore.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	db := service.New(g.Conn(), store, service.Options{Access: router.NewAccess(kv)})
	provisioner := access.NewProvisioner(g.Bus, slog.New(slog.DiscardHandler))
	provisioner.Events = router.NewAccess(kv).Events
	g.registrations = kv
	provisioner.Capabilities = g.capabilities
	if g.server != nil {
		if err := g.server.SetCapabilities(g.capabilities); err != nil {
			t.Fatal(err)
		}
	}
	var running sync.WaitGroup
	for _, serve := range []func(context.Context) error{func(ctx context.Context) error { return db.Serve(ctx, func() {}) }, provisioner.Serve} {
		running.Go(func() {
			if err := serve(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	if _, err := g.Conn().Subscribe("plugin.victim.request", func(m *nats.Msg) { _ = m.Respond([]byte(`{"success":true}`)) }); err != nil {
		t.Fatal(err)
	}
	nc := g.guest()
	for _, subject := range []string{"rosey.warden.guest.cancel-timer", "database.collections"} {
		eventually(t, "an answer to "+subject, func() bool {
			// Nobody says that nobody answers where a stream records the requests.
			_, err := nc.Request(subject, []byte(`{}`), time.Second)
			return err == nil
		})
	}
}

// capabilities returns what a plugin may do, as the bot's registry does.
func (g *grounds) capabilities(plugin string) event.Capabilities {
	may, err := router.Capabilities(context.Background(), g.registrations, plugin)
	if err != nil {
		g.t.Error(err)
	}
	return may
}

func (g *grounds) issue() string {
	g.t.Helper()
	text, err := access.IssueCredentials(g.store, "guest")
	if err != nil {
		g.t.Fatal(err)
	}
	path := filepath.Join(g.t.TempDir(), "guest.creds")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

// guest connects over the wire as the plugin, the way any client does.
func (g *grounds) guest(opts ...nats.Option) *nats.Conn {
	g.t.Helper()
	closed := make(chan struct{})
	auth := g.auth
	if auth == nil {
		auth = nats.UserCredentials(g.creds)
	}
	opts = append([]nats.Option{
		auth,
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), nats.ClosedHandler(func(*nats.Conn) { close(closed) }),
	}, opts...)
	nc, err := nats.Connect(g.url, opts...)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { nc.Close(); <-closed })
	return nc
}

// refused reports whether the server refused what was sent on nc last.
func refused(nc *nats.Conn) bool {
	_ = nc.Flush()
	return errors.Is(nc.LastError(), nats.ErrPermissionViolation)
}

func envelope(subject, data string) []byte {
	e := event.Envelope{Subject: subject, Data: json.RawMessage(data), Timestamp: time.Now(), Priority: event.Normal}
	b, err := e.MarshalJSON()
	if err != nil {
		panic(err)
	}
	return b
}
