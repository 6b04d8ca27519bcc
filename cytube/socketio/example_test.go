package socketio_test

import (
	"context"
	"fmt"
	"log"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/socketio"
)

func ExampleDecode() {
	p, err := socketio.Decode([]byte(`42["chatMsg",{"username":"alice","msg":"hello"}]`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Type, p.Name, string(p.Args[0]))
	// Output: event chatMsg {"username":"alice","msg":"hello"}
}

// A client joins a channel and waits until it is in.
func ExampleDial() {
	site, err := cytubetest.Start(cytubetest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer site.Close()
	ctx := context.Background()
	url, err := socketio.Discover(ctx, nil, site.URL(), "lounge")
	if err != nil {
		log.Fatal(err)
	}
	conn, err := socketio.Dial(ctx, url)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Emit(ctx, "joinChannel", map[string]string{"name": "lounge"}); err != nil {
		log.Fatal(err)
	}
	for {
		ev, err := conn.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if ev.Name == "userlist" {
			fmt.Println("joined")
			return
		}
	}
	// Output: joined
}
