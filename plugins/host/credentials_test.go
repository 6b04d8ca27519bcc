package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A session is what the guest does on a connection of its own.
type session struct {
	*testing.T
	*grounds
	ctx context.Context
	nc  *nats.Conn
	js  jetstream.JetStream
	bus *streams.Bus
}

func (g *grounds) session(t *testing.T) *session {
	t.Helper()
	nc := g.guest()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	bus := streams.NewBus(nc, js, streams.WithManager(access.Delegate(js, "guest")))
	return &session{t, g, streamstest.Context(t), nc, js, bus}
}

// Whatever else it tries to publish or to hear is refused by the server.
func TestCredentialsRefuse(t *testing.T) {
	t.Parallel()
	for server, make := range map[string]func(*testing.T) *grounds{"embedded": newGrounds, "external": external} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			forbidden(t, make(t))
		})
	}
}

func forbidden(t *testing.T, g *grounds) {
	t.Helper()
	publish := []string{
		// What others say.
		"plugin.victim.event", "plugin.victim.event.won", "plugin.victim.command", "plugin.guest.command", "plugin.victim.schedule.x.y", "plugin.guest.schedule.x", "plugin.guest.schedule.x.y",
		"plugin.guest.due.x", "plugin.guest.request", "cytube.chat", "cytube.pm", "cytube.user.join", "cytube.media.change", "cytube.connection", "cytube.send", "cytube.send.chat.x",
		"platform.startup", "platform.shutdown", "platform.heartbeat", "rosey.status", "rosey.credentials", "rosey.plugin.victim.restart", "rosey.plugin.guest.restart",
		"rosey.warden.victim.timer", "rosey.warden.victim.durable", "rosey.gateway.victim.cytube.send.chat", "rosey.gateway.guest.cytube.send.chat", "rosey.answer", "_INBOX.x", "_R_.x", "anything",
		// Streams.
		"$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.UPDATE.PLUGIN", "$JS.API.STREAM.DELETE.CYTUBE", "$JS.API.STREAM.PURGE.PLUGIN", "$JS.API.STREAM.PURGE.TIMER",
		"$JS.API.STREAM.MSG.DELETE.CYTUBE", "$JS.API.STREAM.MSG.GET.DATABASE", "$JS.API.STREAM.SNAPSHOT.CYTUBE", "$JS.API.STREAM.RESTORE.CYTUBE", "$JS.API.STREAM.LIST",
		"$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.KV_db_quotes", "$JS.API.STREAM.PEER.REMOVE.PLUGIN", "$JS.API.STREAM.LEADER.STEPDOWN.PLUGIN", "$JS.API.DIRECT.GET.DATABASE", "$JS.API.DIRECT.GET.CYTUBE", "$JS.API.DIRECT.GET.PLUGIN", "$JS.API.DIRECT.GET.KV_db_quotes",
		"$JS.API.DIRECT.GET.KV_db_quotes.$KV.db_quotes.1", "$JS.API.DIRECT.GET.KV_seals.$KV.seals.message-ids", "$JS.API.ACCOUNT.PURGE.x",
		// Consumers, its own not excepted.
		"$JS.API.CONSUMER.CREATE.PLUGIN", "$JS.API.CONSUMER.CREATE.PLUGIN.plugin-guest", "$JS.API.CONSUMER.CREATE.PLUGIN.plugin-guest.plugin.guest.command", "$JS.API.CONSUMER.CREATE.PLUGIN.mine.plugin.guest.command",
		"$JS.API.CONSUMER.DURABLE.CREATE.PLUGIN.plugin-guest", "$JS.API.CONSUMER.DELETE.PLUGIN.plugin-guest", "$JS.API.CONSUMER.DELETE.PLUGIN.plugin-victim", "$JS.API.CONSUMER.INFO.PLUGIN.plugin-victim", "$JS.API.CONSUMER.INFO.CYTUBE.past-victim", "$JS.API.CONSUMER.MSG.NEXT.CYTUBE.past-victim", "$JS.API.CONSUMER.CREATE.CYTUBE.past-guest", "rosey.warden.victim.past",
		"$JS.API.CONSUMER.MSG.NEXT.PLUGIN.plugin-victim", "$JS.API.CONSUMER.MSG.NEXT.CYTUBE.router", "$JS.API.CONSUMER.MSG.NEXT.CYTUBE.cytube-sender", "$JS.API.CONSUMER.PAUSE.PLUGIN.plugin-victim", "$JS.API.CONSUMER.PAUSE.PLUGIN.plugin-guest",
		"$JS.API.CONSUMER.LIST.PLUGIN", "$JS.API.CONSUMER.NAMES.PLUGIN", "$JS.API.CONSUMER.UNPIN.PLUGIN.plugin-victim", "$JS.ACK.PLUGIN.plugin-victim.1.1.1.1.0", "$JS.ACK.CYTUBE.router.1.1.1.1.0", "$JS.FC.PLUGIN.plugin-victim.x",
		// KV: others' registrations, and the database behind its service.
		"$KV.plugins.victim", "$KV.db_quotes.1", "$KV.db_guest.1", "$KV.leases.main", "$KV.seals.message-ids",
		// The server.
		"$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.$G.CONNZ", "$SRV.PING", "$SRV.INFO",
	}
	for _, subject := range publish {
		t.Run("publish "+subject, func(t *testing.T) {
			t.Parallel()
			nc := g.guest()
			if err := nc.Publish(subject, []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
			if !refused(nc) {
				t.Error("the server let it pass")
			}
		})
	}
	for _, subject := range []string{
		">", "*", "*.>", "plugin.>", "plugin.victim.command", "plugin.guest.command", "plugin.victim.request", "plugin.*.request", "plugin.victim.event.>", "cytube.>", "cytube.chat", "cytube.send.chat",
		"database.>", "database.set", "platform.>", "$JS.>", "$JS.ACK.>", "$JS.API.CONSUMER.MSG.NEXT.PLUGIN.plugin-victim", "$KV.>", "$KV.plugins.>", "$KV.db_quotes.>", "$SYS.>",
		"$SRV.INFO.plugin-victim", "rosey.>", "rosey.status", "rosey.credentials", "rosey.warden.>", "rosey.plugin.victim.restart",
	} {
		t.Run("subscribe "+subject, func(t *testing.T) {
			t.Parallel()
			nc := g.guest()
			if _, err := nc.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
			if !refused(nc) {
				t.Error("the server let it pass")
			}
		})
	}
}

// Nobody else's replies and requests come to it, though it may subscribe to all
// inboxes: there are none but its own.
func TestCredentialsHearNothingElse(t *testing.T) {
	t.Parallel()
	g := newGrounds(t)
	ctx := streamstest.Context(t)
	nc := g.guest()
	heard := make(chan *nats.Msg, 64)
	if _, err := nc.ChanSubscribe("_INBOX.>", heard); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"database.collections", "plugin.victim.request"} {
		if _, err := g.Conn().RequestWithContext(ctx, subject, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.JetStream().Publish(ctx, "plugin.victim.event.x", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest("database.collections", "_INBOX.last", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if m := <-heard; m.Subject != "_INBOX.last" {
		t.Errorf("it heard %s: %s", m.Subject, m.Data)
	}
}

// Credentials that are revoked or replaced end the connection that has them, and
// open no other; those of the store's owner go on working.
func TestCredentialsEnd(t *testing.T) {
	t.Parallel()
	g := newGrounds(t)
	ended := make(chan struct{}, 8)
	asGuest := func() *nats.Conn {
		return g.guest(nats.ReconnectWait(time.Millisecond), nats.ReconnectHandler(func(*nats.Conn) { t.Error("reconnected") }), nats.DisconnectErrHandler(func(*nats.Conn, error) { ended <- struct{}{} }))
	}
	old := asGuest()
	before := g.creds
	g.creds = g.issue()
	if n, err := access.AnnounceCredentials(g.Conn()); err != nil || n < 1 {
		t.Errorf("a new key ended %d connections, %v", n, err)
	}
	lost := func(nc *nats.Conn) {
		t.Helper()
		<-ended
		if err := connect.AwaitClosed(streamstest.Context(t), nc); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("the connection ended with %v", err)
		}
	}
	lost(old)
	for what, creds := range map[string]string{"the old key": before, "another's key": otherStore(t)} {
		if nc, err := nats.Connect(g.url, nats.UserCredentials(creds)); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s connects: %v, %v", what, nc, err)
		}
	}
	now := asGuest()
	if found, err := access.RevokeCredentials(g.store, "guest"); err != nil || !found {
		t.Fatalf("revoked: %v, %v", found, err)
	}
	if _, err := access.AnnounceCredentials(g.Conn()); err != nil {
		t.Error(err)
	}
	lost(now)
	if nc, err := nats.Connect(g.url, nats.UserCredentials(g.creds)); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a revoked key connects: %v, %v", nc, err)
	}
	if err := g.Conn().Flush(); err != nil || g.Conn().Stats().Reconnects != 0 {
		t.Errorf("the owner's connection: %v", err)
	}
	if nc, err := nats.Connect(g.url); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("nobody connects: %v, %v", nc, err)
	}
}

// A client that names its key when it connects, as that for Node does, loses its connection all the
// same when its credentials are revoked.
func TestCredentialsOfANamedKeyEnd(t *testing.T) {
	t.Parallel()
	g := newGrounds(t)
	text, err := os.ReadFile(g.creds)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := nkeys.ParseDecoratedNKey(text)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(g.url, nats.Nkey(key, pair.Sign), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if _, err := access.RevokeCredentials(g.store, "guest"); err != nil {
		t.Fatal(err)
	}
	if n, err := access.AnnounceCredentials(g.Conn()); err != nil || n != 2 { // and that of the grounds, which names none
		t.Errorf("%d connections were closed: %v", n, err)
	}
}

// otherStore issues credentials for the same plugin of another store.
func otherStore(t *testing.T) string {
	t.Helper()
	text, err := access.IssueCredentials(t.TempDir(), "guest")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "other.creds")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
