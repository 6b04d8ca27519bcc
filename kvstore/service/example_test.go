package service_test

import (
	"fmt"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// Any NATS client asks the service with an ordinary request.
func ExampleService() {
	nc, stop := exampleServer()
	defer stop()
	js, err := jetstream.New(nc)
	if err != nil {
		log.Fatal(err)
	}
	store, err := kvstore.NewStore(js)
	if err != nil {
		log.Fatal(err)
	}
	database := service.New(nc, store, service.Options{})
	if err := database.Start(); err != nil {
		log.Fatal(err)
	}
	defer database.Stop()
	for _, r := range []struct{ subject, body string }{
		{"database.set", `{"collection":"quotes","id":null,"data":{"text":"Hello, world!"}}`},
		{"database.query", `{"collection":"quotes","filter":{"text":{"$like":"Hello%"}}}`},
		{"database.get", `{"collection":"quotes","id":7}`},
	} {
		reply, err := nc.Request(r.subject, []byte(r.body), time.Minute)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%.99s\n", reply.Data)
	}
	// Output:
	// {"success":true,"id":1,"error":null,"revision":2}
	// {"success":true,"data":[{"id":1,"text":"Hello, world!"}],"count":1,"error":null}
	// {"success":false,"error":"record 7 not found in collection quotes","error_code":"RECORD_NOT_FOUND",
}

// exampleServer starts a NATS server with a store of its own, and connects to it.
func exampleServer() (nc *nats.Conn, stop func()) {
	dir, err := os.MkdirTemp("", "rosey")
	if err != nil {
		log.Fatal(err)
	}
	server, err := embedded.Start(embedded.Config{Store: dir})
	if err != nil {
		log.Fatal(err)
	}
	closed := make(chan struct{})
	if nc, err = server.Connect(nats.ClosedHandler(func(*nats.Conn) { close(closed) })); err != nil {
		log.Fatal(err)
	}
	return nc, func() {
		nc.Close()
		<-closed
		_ = server.Stop()
		_ = os.RemoveAll(dir)
	}
}
