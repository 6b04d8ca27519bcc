package snapshot_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A backup is made while the server runs, and can be verified without one.
func ExampleBackup() {
	ctx := context.Background()
	bus, stop := streamstest.ExampleBus()
	defer stop()
	dir, err := os.MkdirTemp("", "rosey-example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	backup := filepath.Join(dir, "backup")
	if _, err := snapshot.Backup(ctx, bus.JetStream(), backup, nil); err != nil {
		log.Fatal(err)
	}
	m, err := snapshot.Verify(ctx, backup, nil)
	fmt.Println(len(m.Streams), "streams,", m.Messages(), "messages,", err)
	// Output: 6 streams, 0 messages, <nil>
}
