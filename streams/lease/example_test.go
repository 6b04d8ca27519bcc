package lease_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"

	"github.com/rosey-bot/rosey/streams/lease"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// One process at a time speaks in a channel, and asks before each line whether it
// still may.
func ExampleLease_Hold() {
	ctx := context.Background()
	bus, stop := streamstest.ExampleBus()
	defer stop()
	leases, err := lease.Open(ctx, bus.Conn(), bus.JetStream(), 1, "host a, pid 7", lease.Term, slog.New(slog.DiscardHandler))
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
