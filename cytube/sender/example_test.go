package sender_test

import (
	"context"
	"fmt"
	"log"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// server is a CyTube server that echoes each line at once.
type server struct{ echoes *sender.EchoTracker }

// Emit takes a frame. A connector would hand the echo to Claim when its frame arrives.
func (s *server) Emit(_ context.Context, name string, args ...any) error {
	text := args[0].(map[string]any)["msg"].(string)
	fmt.Printf("%s %q\n", name, text)
	echo := &channel.Line{User: "rosey", Text: text}
	if m := s.echoes.Claim(echo, false); m != nil {
		s.echoes.Recorded(m, echo)
	}
	return nil
}

// A Sender splits a send, writes its parts and waits for the echo of each.
func ExampleSender() {
	bus, stop := streamstest.ExampleBus()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	done := func(o consumers.Outcome) { cancel() }
	s := sender.New(bus, sender.Config{Channel: "lounge", MessageLimit: 20, Self: func() string { return "rosey" }, OnSettled: done})
	s.Echoes.Open(&server{s.Echoes})
	send, err := event.New(event.SubjectSendChat, event.SendChat{Channel: "lounge", Message: "a line that is too long for this channel"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := bus.Publish(ctx, send); err != nil {
		log.Fatal(err)
	}
	if err := s.Run(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
	// Output:
	// chatMsg "a line that is too"
	// chatMsg "long for this"
	// chatMsg "channel"
}
