package replay_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// store publishes a command's way from the chat to the answer.
func store(ctx context.Context, bus *streams.Bus) {
	publish := func(ctx context.Context, source, subject string, payload any) context.Context {
		e, err := event.New(subject, payload)
		if err != nil {
			panic(err)
		}
		ack, err := bus.As(source).Publish(ctx, e)
		if err != nil {
			panic(err)
		}
		return propagation.WithCause(ctx, propagation.Correlation(ctx), ack.Ref)
	}
	ctx = propagation.WithCorrelation(ctx, "550e8400-e29b-41d4-a716-446655440000")
	ctx = publish(ctx, "cytube", event.SubjectChat, event.Chat{User: "alice", Message: "!roll 2d6", Channel: "lounge", Rank: 1, Time: 1732645200000})
	ctx = publish(ctx, "router", event.CommandSubject("dice-roller"), event.Command{Command: "roll", User: "alice", Channel: "lounge", RawMessage: "!roll 2d6"})
	publish(ctx, "plugin-dice-roller", event.SubjectSendChat, event.SendChat{Message: "Rolled 2d6: [3, 5] = 8", Channel: "lounge"})
}

func ExampleRead() {
	bus, stop := streamstest.ExampleBus()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store(ctx, bus)

	q := replay.Query{Filter: replay.Filter{User: "alice", Since: time.Now().Add(-time.Hour)}}
	for e, err := range replay.Read(ctx, bus.JetStream(), q) {
		if err != nil {
			panic(err)
		}
		r := replay.Describe(e)
		fmt.Println(e.Ref, e.Subject, r.Actor, r.Text)
	}
	// Output:
	// CYTUBE:1 cytube.chat alice !roll 2d6
	// PLUGIN:1 plugin.dice-roller.command alice !roll 2d6
}

func ExampleReadConversation() {
	bus, stop := streamstest.ExampleBus()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store(ctx, bus)

	c, err := replay.ReadConversation(ctx, bus.JetStream(), "CYTUBE:1", replay.ConversationOptions{})
	if err != nil {
		panic(err)
	}
	for depth, n := range replay.Walk(c.Tree()) {
		fmt.Fprintf(os.Stdout, "%*s%s: %s\n", 2*depth, "", n.Subject, n.Text)
	}
	// Output:
	// cytube.chat: !roll 2d6
	//   plugin.dice-roller.command: !roll 2d6
	//     cytube.send.chat: says: Rolled 2d6: [3, 5] = 8
}
