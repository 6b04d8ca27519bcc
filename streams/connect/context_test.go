package connect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// leafnode starts a server whose JetStream is that of another one, in the domain hub.
func leafnode(t *testing.T) *server.Server {
	t.Helper()
	hub := &server.Options{ServerName: "hub", JetStream: true, JetStreamDomain: "hub", StoreDir: t.TempDir()}
	hub.LeafNode.Host, hub.LeafNode.Port = "127.0.0.1", -1
	streamstest.Standalone(t, hub)
	leaf := &server.Options{ServerName: "leaf", JetStream: true, JetStreamDomain: "leaf", StoreDir: t.TempDir()}
	leaf.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", hub.LeafNode.Port)}}}}
	return streamstest.Standalone(t, leaf)
}

// A context of the NATS CLI says in which domain the streams are and where replies go.
func TestContextWithDomain(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	file := filepath.Join(t.TempDir(), "far.json")
	body, err := json.Marshal(map[string]string{"url": leafnode(t).ClientURL(), "jetstream_domain": "hub", "inbox_prefix": "_INBOX_bot"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	nc, js, err := connect.Open(ctx, connect.Remote{Context: file}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if inbox := nc.NewInbox(); !strings.HasPrefix(inbox, "_INBOX_bot.") {
		t.Errorf("replies go to %s", inbox)
	}
	// The leafnode connects meanwhile.
	opened := retry.Do(ctx, jsapi.RetryUnavailable(time.Minute, nil), func(ctx context.Context) error { return streams.Open(ctx, js, streams.Options{}) })
	if opened != nil {
		t.Fatal(opened)
	}
	info, err := js.AccountInfo(ctx)
	if err != nil || info.Domain != "hub" {
		t.Errorf("the streams are in %+v, %v", info, err)
	}
	e, err := event.New(event.SubjectSendChat, event.SendChat{Message: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := streams.NewBus(nc, js).Publish(ctx, e); err != nil {
		t.Errorf("an event: %v", err)
	}
	store, err := kvstore.NewStore(js)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Set(ctx, event.Set{Collection: "quotes", Data: json.RawMessage(`{"text":"hi"}`)}); err != nil {
		t.Errorf("a record: %v", err)
	}
}
