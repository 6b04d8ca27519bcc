package jsapi_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// inAccount connects as the user of an account on a server that is configured.
func inAccount(t *testing.T, account, permissions string) jetstream.JetStream {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "server.conf")
	text := fmt.Sprintf("jetstream { store_dir: %q }\naccounts { BOT { %s\n users: [ { user: bot, password: bot, permissions: { %s } } ] } }\n", dir, account, permissions)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	nc, err := nats.Connect(streamstest.Standalone(t, o).ClientURL(), nats.UserInfo("bot", "bot"),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); <-closed })
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// What an account or a user is not allowed is named with its account and what to
// change, and not waited for.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ account, permissions, want string }{
		"no JetStream":        {"", "", "account BOT: "},
		"two streams":         {"jetstream { max_streams: 2 }", "", "max_streams"},
		"no consumers":        {"jetstream { max_consumers: 1 }", "", "max_consumers"},
		"max bytes required":  {"jetstream { max_bytes_required: true }", "", "max_bytes_required"},
		"few acks":            {"jetstream { max_ack_pending: 10 }", "", "max_ack_pending"},
		"no streams for user": {"jetstream: enabled", `publish: { deny: "$JS.API.STREAM.CREATE.>" }`, "publish $JS.API.STREAM.CREATE.CYTUBE"},
		"no cytube for user":  {"jetstream: enabled", `publish: { deny: "cytube.>" }`, "user bot of account BOT may not publish cytube.chat"},
		"no inbox for user":   {"jetstream: enabled", `subscribe: { deny: "_INBOX.>" }`, `Permissions Violation for Subscription to "_INBOX.`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, js := streamstest.Context(t), inAccount(t, c.account, c.permissions)
			err := jsapi.CheckUser(js.Conn())
			if err == nil {
				err = streams.Open(ctx, js, streams.Options{})
			}
			manager := streams.NewManager(js)
			for _, durable := range []string{"a", "b"} {
				if err == nil {
					_, err = manager.OpenConsumer(ctx, streams.Cytube, jetstream.ConsumerConfig{Durable: durable, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 100})
				}
			}
			if !errors.Is(err, jsapi.ErrRefused) || !strings.Contains(err.Error(), c.want) || jsapi.IsUnavailable(err) {
				t.Errorf("it says %v", err)
			}
		})
	}
	if err := jsapi.CheckUser(inAccount(t, "jetstream: enabled", `publish: ">", subscribe: ">"`).Conn()); err != nil {
		t.Error(err)
	}
}
