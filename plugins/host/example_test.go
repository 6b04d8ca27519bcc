package host_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A plugin in a process of its own: it needs a connection and the bucket of
// registrations.
func ExampleHost() {
	bus, stop := streamstest.ExampleBus()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	bucket, err := router.OpenBucket(ctx, bus.JetStream(), 1)
	if err != nil {
		fmt.Println(err)
	}
	handled := make(chan string, 1)
	greeter := plugins.Plugin{Name: "greeter", Version: "1.0.0", Commands: []plugins.Command{{
		Name: "hello", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			handled <- c.Command.User
			return nil, nil
		},
	}}}
	started, ended := make(chan struct{}), make(chan error)
	h := host.Host{Bus: bus, Bucket: bucket, Logger: slog.New(slog.DiscardHandler), OnStart: func(error) { close(started) }}
	go func() { ended <- h.Run(ctx, greeter) }()
	<-started
	e, _ := event.New(event.CommandSubject("greeter"), event.Command{Command: "hello", User: "alice"})
	if _, err := bus.Publish(ctx, e); err != nil {
		fmt.Println(err)
	}
	fmt.Println("handled a command of", <-handled)
	statuses, err := host.Statuses(ctx, bus.Conn(), bus.JetStream())
	fmt.Println(statuses[0].Name, statuses[0].State, err)
	cancel()
	fmt.Println(<-ended)
	// Output:
	// handled a command of alice
	// greeter running <nil>
	// <nil>
}
