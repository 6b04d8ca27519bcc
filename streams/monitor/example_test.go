package monitor_test

import (
	"context"
	"fmt"
	"log"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// The backlog of a consumer that nobody reads.
func ExampleConsumers() {
	ctx := context.Background()
	bus, stop := streamstest.ExampleBus()
	defer stop()
	command, _ := event.New(event.CommandSubject("dice"), event.Command{Command: "roll", User: "alice"})
	if _, err := bus.Publish(ctx, command); err != nil {
		log.Fatal(err)
	}
	if _, err := bus.JetStream().CreateConsumer(ctx, streams.Plugin, jetstream.ConsumerConfig{Durable: "plugin-dice", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		log.Fatal(err)
	}
	states, err := monitor.Consumers(ctx, bus.JetStream())
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range states {
		fmt.Println(s.Stream, s.Name, s.Backlog(), s.Condition())
	}
	// Output: PLUGIN plugin-dice 1 nobody reads
}
