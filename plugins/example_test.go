package plugins_test

import (
	"fmt"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// A plugin with a command, a timer that the command sets, and a request.
func ExamplePlugin() {
	greeter := plugins.Plugin{
		Name: "greeter", Version: "1.0.0", Description: "Says hello",
		Commands: []plugins.Command{{
			Name: "hello", Aliases: []string{"hi"}, Usage: "[NAME]", Description: "greets you, and says goodbye an hour later",
			Handle: func(c *plugins.Context) ([]event.Envelope, error) {
				goodbye := map[string]any{"user": c.Command.User, "channel": c.Channel()}
				if err := c.After(time.Hour, c.Command.User, "goodbye", goodbye); err != nil {
					return nil, err
				}
				return c.Say("Hello, %s!", c.Command.User), nil
			},
		}},
		Events: []plugins.Subscription{{
			Subject: "plugin.greeter.event.goodbye", MaxAge: plugins.Never,
			Handle: func(c *plugins.Context) ([]event.Envelope, error) {
				var due struct{ User string }
				if err := c.Decode(&due); err != nil {
					return nil, err
				}
				return c.Say("Goodbye, %s!", due.User), nil
			},
		}},
		Requests: []plugins.Endpoint{{Action: "hello", Handle: func(c *plugins.Context) (any, error) {
			return map[string]any{"success": true, "text": "Hello!"}, nil
		}}},
	}
	fmt.Println(greeter.Validate())
	fmt.Println(greeter.Registration().Usage)
	subjects, err := greeter.Subjects()
	fmt.Println(subjects, err)
	fmt.Println(greeter.Requests[0].Subject(greeter.Name))
	// Output:
	// <nil>
	// hello [NAME]
	// [plugin.greeter.command plugin.greeter.event.goodbye] <nil>
	// plugin.greeter.request.hello
}

// Change counts each event once, however often it is delivered.
func ExampleCollection_Change() {
	count := func(c *plugins.Context) ([]event.Envelope, error) {
		var tally struct{ N int }
		return c.DB("tallies").Change(event.ID(c.Command.User), &tally, func() ([]event.Envelope, error) {
			tally.N++
			return c.Say("%s: %d", c.Command.User, tally.N), nil
		})
	}
	p := plugins.Plugin{Name: "tally", Version: "1.0.0", Commands: []plugins.Command{{Name: "count", Handle: count}}}
	fmt.Println(p.Validate())
	// Output: <nil>
}

func ExampleShorten() {
	fmt.Println(plugins.Shorten("what somebody typed", 10))
	// Output: what some…
}
