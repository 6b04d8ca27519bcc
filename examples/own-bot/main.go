// Command own-bot is Rosey with one plugin more: everything that rosey can do, from
// one's own module.
package main

import (
	"github.com/rosey-bot/rosey/cmd"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/shipped"
)

func main() { cmd.Main(append(shipped.All(), greeter())...) }

// greeter answers !hello.
func greeter() plugins.Plugin {
	return plugins.Plugin{
		Name: "greeter", Version: "1.0.0", Description: "Says hello",
		Commands: []plugins.Command{{Name: "hello", Description: "greets you", Handle: hello}},
	}
}

func hello(c *plugins.Context) ([]event.Envelope, error) {
	return c.Say("Hello, %s!", c.Command.User), nil
}
