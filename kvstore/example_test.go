package kvstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// A store keeps records in JetStream KV buckets, and finds them again.
func ExampleStore() {
	ctx := context.Background()
	js, stop := exampleServer()
	defer stop()
	store, err := kvstore.NewStore(js)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	for _, data := range []string{`{"user":"alice","text":"Hello"}`, `{"user":"bob","text":"Hi"}`} {
		written, err := store.Set(ctx, event.Set{Collection: "quotes", Data: json.RawMessage(data)})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("set", written.ID)
	}
	result, err := store.Query(ctx, event.Query{Collection: "quotes", Filter: json.RawMessage(`{"user":"bob"}`)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Count, result.Rows[0].Data)
	// Output:
	// set 1
	// set 2
	// 1 {"id":2,"user":"bob","text":"Hi"}
}

// exampleServer starts a NATS server with a store of its own.
func exampleServer() (js jetstream.JetStream, stop func()) {
	dir, err := os.MkdirTemp("", "rosey")
	if err != nil {
		log.Fatal(err)
	}
	server, err := embedded.Start(embedded.Config{Store: dir})
	if err != nil {
		log.Fatal(err)
	}
	closed := make(chan struct{})
	nc, err := server.Connect(nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		log.Fatal(err)
	}
	if js, err = jetstream.New(nc); err != nil {
		log.Fatal(err)
	}
	return js, func() {
		nc.Close()
		<-closed
		_ = server.Stop()
		_ = os.RemoveAll(dir)
	}
}
