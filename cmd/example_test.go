package cmd_test

import (
	"github.com/rosey-bot/rosey/cmd"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/shipped"
)

// The main function of a bot with one plugin more than those that ship.
func ExampleMain() {
	greeter := plugins.Plugin{
		Name: "greeter", Version: "1.0.0", Description: "Says hello",
		Commands: []plugins.Command{{Name: "hello", Description: "greets you", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			return c.Say("Hello, %s!", c.Command.User), nil
		}}},
	}
	cmd.Main(append(shipped.All(), greeter)...)
}
