package streamstest

import (
	"context"
	"log"
	"os"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// ExampleBus is Bus for Example functions, which have no testing.TB: it exits the
// process on errors. Stop ends the server and removes its store.
func ExampleBus() (bus *streams.Bus, stop func()) {
	check := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	store, err := os.MkdirTemp("", "rosey-example")
	check(err)
	s, err := embedded.Start(embedded.Config{Store: store})
	check(err)
	nc, err := s.Connect()
	check(err)
	js, err := jetstream.New(nc)
	check(err)
	check(streams.Open(context.Background(), js, streams.Options{}))
	return streams.NewBus(nc, js), func() {
		nc.Close()
		check(s.Stop())
		check(os.RemoveAll(store))
	}
}
