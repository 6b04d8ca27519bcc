package deadletters_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/deadletters"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A command that its plugin gave up is listed, and handled when it is retried.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	bus, stop := streamstest.ExampleBus()
	defer stop()
	settled, ended := make(chan consumers.Outcome), make(chan error, 1)
	c := consumers.Config{
		Durable: "plugin-dice", Name: "dice", Stream: streams.Plugin, Subjects: []string{event.CommandSubject("dice")},
		Observe: func(o consumers.Outcome) { settled <- o },
	}
	go func() {
		ended <- consumers.Run(ctx, bus, c, func(_ context.Context, s streams.Stored) ([]event.Envelope, error) {
			if s.Meta(event.MetaRetryFor) == "" {
				return nil, consumers.Permanent(errors.New("no dice"))
			}
			return nil, nil
		})
	}()
	defer func() { cancel(); <-ended }()

	command, _ := event.New(event.CommandSubject("dice"), event.Command{Command: "roll", User: "alice"})
	if _, err := bus.Publish(ctx, command); err != nil {
		log.Fatal(err)
	}
	<-settled
	letters, err := deadletters.List(ctx, bus.JetStream())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(letters[0].Subject, letters[0].State, letters[0].Error)
	if _, err := deadletters.Retry(ctx, bus, letters[0].Ref); err != nil {
		log.Fatal(err)
	}
	<-settled
	letter, _, err := deadletters.Find(ctx, bus.JetStream(), letters[0].Ref)
	fmt.Println(letter.State, err)
	// Output:
	// plugin.dice.command open no dice
	// retried <nil>
}
