package spans_test

import (
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/replay/spans"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A conversation that no collector saw becomes a trace afterwards.
func ExampleExport() {
	ctx := context.Background()
	bus, stop := streamstest.ExampleBus()
	defer stop()
	line, _ := event.New(event.SubjectChat, event.Chat{User: "alice", Message: "!roll", Channel: "main"})
	line.CorrelationID = event.NewCorrelationID()
	ack, err := bus.Publish(ctx, line)
	if err != nil {
		log.Fatal(err)
	}
	command, _ := event.New(event.CommandSubject("dice"), event.Command{Command: "roll", User: "alice"})
	command.CorrelationID = line.CorrelationID
	if _, err := bus.Publish(ctx, command.WithMeta(event.MetaCausation, ack.Ref.String())); err != nil {
		log.Fatal(err)
	}
	collector := tracetest.NewInMemoryExporter()
	sent, err := spans.Export(ctx, bus.JetStream(), replay.Query{}, collector, resource.Empty())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d trace, %d spans\n", sent.Traces, sent.Spans)
	for _, s := range collector.GetSpans() {
		fmt.Println(s.Name)
	}
	// Output:
	// 1 trace, 3 spans
	// send cytube.chat
	// send plugin.{name}.command
	// process cytube.chat
}
