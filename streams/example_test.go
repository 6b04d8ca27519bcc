package streams_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Publish stores an event; a repeat with the same message ID is dropped.
func ExampleBus_Publish() {
	ctx := context.Background()
	bus, stop := streamstest.ExampleBus()
	defer stop()
	line, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: "!roll 2d6", Channel: "main"})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		ack, err := bus.Publish(ctx, line, streams.WithMsgID("line-1"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ack.Ref, "duplicate:", ack.Duplicate)
	}
	// Output:
	// CYTUBE:1 duplicate: false
	// CYTUBE:1 duplicate: true
}

// Request waits for the reply of a service, here one of the Bus's own.
func ExampleBus_Request() {
	ctx := context.Background()
	bus, stop := streamstest.ExampleBus()
	defer stop()
	service, err := micro.AddService(bus.Conn(), micro.Config{Name: "echo", Version: "1.0.0"})
	if err != nil {
		log.Fatal(err)
	}
	answer := bus.Service(ctx, func(_ context.Context, e event.Envelope) (any, error) {
		return map[string]any{"success": true, "asked": string(e.Data)}, nil
	})
	if err := service.AddEndpoint("echo", answer, micro.WithEndpointSubject(event.RequestSubject("echo"))); err != nil {
		log.Fatal(err)
	}
	reply, err := bus.Request(ctx, event.RequestSubject("echo"), map[string]any{"n": 1}, streams.Within(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(reply))
	// Output: {"asked":"{\"n\":1}","success":true}
}

// Messages reads what a stream holds, and ends.
func ExampleMessages() {
	ctx := context.Background()
	bus, stop := streamstest.ExampleBus()
	defer stop()
	for _, text := range []string{"hello", "!roll 2d6"} {
		line, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: text, Channel: "main"})
		if err != nil {
			log.Fatal(err)
		}
		if _, err := bus.Publish(ctx, line); err != nil {
			log.Fatal(err)
		}
	}
	selection := streams.Selection{Stream: streams.Cytube, Subjects: []string{event.SubjectChat}, From: 2}
	for msg, err := range streams.Messages(ctx, bus.JetStream(), selection) {
		if err != nil {
			log.Fatal(err)
		}
		stored, err := streams.ReadRaw(streams.Cytube, msg)
		if err != nil {
			log.Fatal(err)
		}
		chat, err := event.As[event.Chat](stored.Envelope)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(stored.Ref, chat.User, chat.Message)
	}
	// Output: CYTUBE:2 alice !roll 2d6
}

// A cluster that has just started answers when it has elected its leaders.
func ExampleOpen() {
	ctx := context.Background()
	bus, stop := streamstest.ExampleBus()
	defer stop()
	err := retry.Do(ctx, jsapi.RetryUnavailable(2*time.Minute, nil), func(ctx context.Context) error {
		return streams.Open(ctx, bus.JetStream(), streams.Options{})
	})
	fmt.Println(err)
	// Output: <nil>
}
