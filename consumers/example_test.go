package consumers_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A handler that fails at first: its event is redelivered, and what it publishes is
// stored once.
func ExampleRun() {
	bus, stop := streamstest.ExampleBus()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	outcomes := make(chan consumers.Outcome)
	config := consumers.Config{
		Durable: "plugin-greeter", Stream: streams.Plugin, Subjects: []string{event.CommandSubject("greeter")}, Name: "greeter",
		Backoff: []time.Duration{time.Millisecond},
		Observe: func(o consumers.Outcome) { outcomes <- o },
	}
	ended := make(chan error)
	go func() {
		ended <- consumers.Run(ctx, bus, config, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
			command, err := event.As[event.Command](d.Envelope)
			if err != nil {
				return nil, consumers.Permanent(err)
			}
			if d.Attempt == 1 {
				return nil, errors.New("not yet")
			}
			reply, err := event.New(event.SubjectSendChat, event.SendChat{Message: "Hello, " + command.User + "!"})
			return []event.Envelope{reply}, err
		})
	}()
	e, _ := event.New(event.CommandSubject("greeter"), event.Command{Command: "hello", User: "alice"})
	if _, err := bus.Publish(ctx, e); err != nil {
		fmt.Println(err)
	}
	for range 2 {
		o := <-outcomes
		fmt.Println("attempt", o.Attempt, o.Result)
	}
	cancel()
	fmt.Println(<-ended)
	// Output:
	// attempt 1 retried
	// attempt 2 handled
	// context canceled
}

// The first middleware is the outermost.
func ExampleChain() {
	say := func(text string) consumers.Middleware {
		return func(next consumers.Handler) consumers.Handler {
			return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
				fmt.Println(text)
				return next(ctx, d)
			}
		}
	}
	handle := func(context.Context, streams.Stored) ([]event.Envelope, error) {
		panic("handler")
	}
	_, err := consumers.Chain(handle, say("outer"), consumers.Recover(), say("inner"))(context.Background(), streams.Stored{})
	fmt.Println(err)
	// Output:
	// outer
	// inner
	// the handler panicked: handler
}

func ExamplePermanent() {
	err := consumers.Permanent(errors.New("no such command"))
	fmt.Println(err)
	// Output: no such command
}
