package snapshot_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/snapshot"
)

// A backup is made while the server runs, and can be verified without one.
func ExampleBackup() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "rosey")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	server, err := embedded.Start(embedded.Config{Store: filepath.Join(dir, "store")})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Stop()
	closed := make(chan struct{})
	nc, err := server.Connect(nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { nc.Close(); <-closed }()
	js, err := jetstream.New(nc)
	if err != nil {
		log.Fatal(err)
	}
	if err := streams.Open(ctx, js, streams.Options{}); err != nil {
		log.Fatal(err)
	}
	backup := filepath.Join(dir, "backup")
	if _, err := snapshot.Backup(ctx, js, backup, nil); err != nil {
		log.Fatal(err)
	}
	m, err := snapshot.Verify(ctx, backup, nil)
	fmt.Println(len(m.Streams), "streams,", m.Messages(), "messages,", err)
	// Output: 6 streams, 0 messages, <nil>
}
