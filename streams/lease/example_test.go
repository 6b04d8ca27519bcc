package lease_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/lease"
)

// One process at a time speaks in a channel, and asks before each line whether it
// still may.
func ExampleLease_Hold() {
	ctx := context.Background()
	store, err := os.MkdirTemp("", "rosey")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(store)
	server, err := embedded.Start(embedded.Config{Store: store})
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
	leases, err := lease.Open(ctx, nc, js, 1, "host a, pid 7", lease.Timing{}, slog.New(slog.DiscardHandler))
	if err != nil {
		log.Fatal(err)
	}
	channel := leases.New("channel/main")
	err = channel.Hold(ctx, func(ctx context.Context) error {
		fmt.Println("may speak:", channel.Valid())
		return errors.New("kicked")
	})
	fmt.Println(err, channel.Valid())
	// Output:
	// may speak: true
	// kicked false
}
