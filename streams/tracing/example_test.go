package tracing_test

import (
	"context"
	"fmt"
	"log"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/streams/tracing"
)

// The spans of a Bus go to any OpenTelemetry exporter, here one that keeps them.
func ExampleWith() {
	plain, stop := streamstest.ExampleBus()
	defer stop()
	collector := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(collector))
	bus := streams.NewBus(plain.Conn(), plain.JetStream(), tracing.With(provider.Tracer("example")))

	line, _ := event.New(event.SubjectChat, event.Chat{User: "alice", Message: "hello", Channel: "main"})
	if _, err := bus.Publish(context.Background(), line); err != nil {
		log.Fatal(err)
	}
	for _, s := range collector.GetSpans() {
		fmt.Println(s.Name, s.SpanKind)
	}
	// Output: send cytube.chat producer
}
