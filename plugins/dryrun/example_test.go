package dryrun_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dryrun"
)

// greeter answers !greet.
func greeter(greeting string) plugins.Plugin {
	return plugins.Plugin{Name: "greeter", Version: "1.0.0", Commands: []plugins.Command{{
		Name: "greet", Handle: func(c *plugins.Context) ([]event.Envelope, error) { return c.Say(greeting), nil },
	}}}
}

// A saved case is a regression test: it holds an event, what the plugin answered then,
// and the database that it used.
func ExampleRun() {
	saved := strings.NewReader(`{"case":{"layout":1,"plugin":"greeter"}}
{"event":{"ref":"PLUGIN:1","at":"2026-11-25T18:29:02Z","subject":"plugin.greeter.command","body":{"command":"greet","user":"alice","channel":"lounge","raw_message":"!greet"},"waited":0,"said":[{"subject":"cytube.send.chat","data":{"message":"Hello","channel":"lounge"}}]}}
`)
	c, err := dryrun.Load(saved)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for result, err := range dryrun.Run(ctx, c, greeter("Good evening"), dryrun.Options{}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(result.Status())
		if err := result.WriteText(os.Stdout, false, time.UTC); err != nil {
			panic(err)
		}
	}
	// Output:
	// changed
	// 2026-11-25 18:29:02  PLUGIN:1  alice: !greet
	//     changed   said Hello
	//               now  Good evening
}
