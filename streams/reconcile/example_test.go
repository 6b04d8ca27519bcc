package reconcile_test

import (
	"context"
	"fmt"
	"log"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/reconcile"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A power cut took lines up to CYTUBE:5, whose numbers message IDs of their answers
// still name. They are not given to other lines.
func ExampleAdvanceSequence() {
	ctx := context.Background()
	bus, stop := streamstest.ExampleBus()
	defer stop()
	if err := reconcile.AdvanceSequence(ctx, bus.JetStream(), streams.Cytube, 5); err != nil {
		log.Fatal(err)
	}
	line, _ := event.New(event.SubjectChat, event.Chat{User: "alice", Message: "hello", Channel: "main"})
	ack, err := bus.Publish(ctx, line)
	fmt.Println(ack.Ref, err)
	// Output: CYTUBE:6 <nil>
}
