package localserver_test

import (
	"context"
	"fmt"

	"github.com/rosey-bot/rosey/cytube/localserver"
)

// Two users talk in a channel of a server in this process.
func Example() {
	ctx := context.Background()
	server, err := localserver.Start(localserver.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	received := make(chan localserver.Message, 1)
	alice, err := localserver.Join(ctx, server.URL(), "lounge", "alice", "", func(m localserver.Message) { received <- m })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alice.Close()
	bob, err := localserver.Join(ctx, server.URL(), "lounge", "bob", "", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bob.Close()

	if err := bob.Say(ctx, "hello"); err != nil {
		fmt.Println(err)
		return
	}
	m := <-received
	fmt.Printf("%s: %s\n", m.From, m.Text)
	// Output: bob: hello
}
