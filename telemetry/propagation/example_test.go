package propagation_test

import (
	"context"
	"fmt"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// What is published while an event is handled carries the event's correlation ID and
// names it as its cause.
func ExampleContextWithEvent() {
	headers := map[string][]string{propagation.HeaderCorrelation: {"quiz-17"}}
	id := propagation.CorrelationOf("", headers)
	ctx := propagation.ContextWithEvent(context.Background(), id, event.Ref{Stream: "CYTUBE", Seq: 42}, headers)

	answer := propagation.Fill(ctx, event.Envelope{Subject: event.SubjectSendChat}, nil)
	fmt.Println(answer.CorrelationID, answer.Metadata)

	sent := map[string][]string{}
	propagation.Inject(ctx, sent)
	fmt.Println(sent)
	// Output:
	// quiz-17 map[causation_id:CYTUBE:42]
	// map[Rosey-Correlation-Id:[quiz-17]]
}

func ExampleTraceID() {
	fmt.Println(propagation.TraceID("550e8400-e29b-41d4-a716-446655440000"))
	// Output: 550e8400e29b41d4a716446655440000
}
