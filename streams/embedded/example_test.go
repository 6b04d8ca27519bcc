package embedded_test

import (
	"fmt"
	"log"
	"os"

	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// A store has one server at a time, which other processes find by the store.
func Example() {
	store, err := os.MkdirTemp("", "rosey")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(store)
	server, err := embedded.Start(embedded.Config{Store: store, Listen: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	nc, err := connect.Dial(connect.Remote{Store: store, Name: "example"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(nc.Status())
	nc.Close()
	if err := server.Stop(); err != nil {
		log.Fatal(err)
	}
	_, err = connect.Find(store)
	fmt.Println(err)
	// Output:
	// CONNECTED
	// no bot is running on this store
}
