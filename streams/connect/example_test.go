package connect_test

import (
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// A tool reaches the server of a running bot by its store.
func ExampleDial() {
	store, err := os.MkdirTemp("", "rosey-example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(store)
	_, err = connect.Dial(connect.Remote{Store: store})
	fmt.Println(errors.Is(err, connect.ErrNotRunning))

	server, err := embedded.Start(embedded.Config{Store: store, Listen: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	nc, err := connect.Dial(connect.Remote{Store: store, Name: "my tool"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(nc.IsConnected())
	nc.Close()
	if err := server.Stop(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// true
	// true
}
