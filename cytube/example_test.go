package cytube_test

import (
	"context"
	"fmt"
	"log"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A Connector joins a channel and records what is said there.
func ExampleConnector() {
	site, err := cytubetest.Start(cytubetest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer site.Close()
	bus, stop := streamstest.ExampleBus()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	events := make(chan streams.Stored, 100)
	sub, err := bus.Subscribe(ctx, event.AllCytube, func(_ context.Context, s streams.Stored) { events <- s })
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Stop()
	bot := cytube.New(bus, cytube.Config{Config: sender.Config{Channel: "lounge"}, Site: site.URL(), User: "rosey"})
	done := make(chan error, 1)
	go func() { done <- bot.Run(ctx) }()

	for s := range events {
		if s.Subject == event.SubjectConnection {
			fmt.Println("the bot has joined")
			alice, err := cytubetest.Join(ctx, site.URL(), "lounge", "alice", "")
			if err != nil {
				log.Fatal(err)
			}
			defer alice.Close()
			if err := alice.Say(ctx, "hello"); err != nil {
				log.Fatal(err)
			}
		}
		if chat, err := event.As[event.Chat](s.Envelope); s.Subject == event.SubjectChat && err == nil {
			fmt.Printf("%s in %s: %s\n", chat.User, chat.Channel, chat.Message)
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	// Output:
	// the bot has joined
	// alice in lounge: hello
}
