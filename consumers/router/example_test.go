package router_test

import (
	"encoding/json"
	"fmt"

	"github.com/rosey-bot/rosey/consumers/router"
)

func ExampleParseCommand() {
	command, args, ok := router.ParseCommand(`!quote add "to be" or it's not`, "!")
	fmt.Printf("%s %q %v\n", command, args, ok)
	_, _, ok = router.ParseCommand("hello", "!")
	fmt.Println(ok)
	// Output:
	// quote ["add" "to be" "or" "it's" "not"] true
	// false
}

// The value that any process may put into the bucket to register a plugin.
func ExampleRegistration() {
	value, _ := json.Marshal(router.Registration{
		Name: "greeter", Version: "1.0.0", Description: "Says hello",
		Commands: []router.Command{{Name: "hello", Usage: "hello NAME"}},
	})
	fmt.Println(string(value))
	// Output:
	// {"name":"greeter","version":"1.0.0","commands":[{"name":"hello","usage":"hello NAME"}],"min_rank":0,"description":"Says hello","usage":""}
}

func ExampleParseRegistration() {
	r, err := router.ParseRegistration("greeter", []byte(`{"name":"greeter","version":"1.0.0","commands":["hello"]}`))
	fmt.Println(r.Commands[0].Name, r.CommandMaxAge(), err)
	_, err = router.ParseRegistration("greeter", []byte(`{"name":"other"}`))
	fmt.Println(err)
	// Output:
	// hello 10m0s <nil>
	// registration of greeter: name is "other", but it must be the key
}
