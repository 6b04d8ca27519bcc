package telemetry_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry"
)

func recorded(t *testing.T) (trace.Tracer, *tracetest.SpanRecorder) {
	t.Helper()
	r := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithIDGenerator(telemetry.IDs{}), sdktrace.WithSpanProcessor(r))
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	return p.Tracer("test"), r
}

func TestTraceIDIsTheCorrelationID(t *testing.T) {
	t.Parallel()
	tracer, _ := recorded(t)
	for name, tt := range map[string]struct{ correlation, want string }{
		"UUID":                 {correlation, traceID},
		"UUID without hyphens": {traceID, traceID},
		"upper case":           {"550E8400-E29B-41D4-A716-446655440000", traceID},
		"text":                 {"quiz-17", fmt.Sprintf("%x", event.TraceID("quiz-17"))},
	} {
		_, span := telemetry.Start(event.WithCorrelation(t.Context(), tt.correlation), tracer, name, "")
		if got := span.SpanContext().TraceID().String(); got != tt.want || !span.SpanContext().IsValid() {
			t.Errorf("%s: the trace ID is %s, want %s", name, got, tt.want)
		}
	}
	_, a := telemetry.Start(t.Context(), tracer, "none", "")
	_, b := telemetry.Start(t.Context(), tracer, "none", "")
	if !a.SpanContext().IsValid() || a.SpanContext().TraceID() == b.SpanContext().TraceID() {
		t.Errorf("without a correlation ID the traces are %s and %s", a.SpanContext().TraceID(), b.SpanContext().TraceID())
	}
}

func TestSeedFixesOneSpanIDAndNotItsChildren(t *testing.T) {
	t.Parallel()
	tracer, _ := recorded(t)
	ctx := event.WithCorrelation(t.Context(), correlation)
	ctx, span := telemetry.Start(ctx, tracer, "process", "process/router/CYTUBE:1/1")
	want := telemetry.SeededSpanID(span.SpanContext().TraceID(), "process/router/CYTUBE:1/1")
	if got := span.SpanContext().SpanID(); got != want {
		t.Errorf("the span ID is %s, want %s", got, want)
	}
	_, child := telemetry.Start(ctx, tracer, "send", "")
	if child.SpanContext().SpanID() == want || child.SpanContext().TraceID() != span.SpanContext().TraceID() {
		t.Errorf("the child is %v", child.SpanContext())
	}
	if other := telemetry.SeededSpanID(trace.TraceID{1}, "process/router/CYTUBE:1/1"); other == want {
		t.Error("one seed gives one span ID in two traces")
	}
}

func TestNoTraceMixesTwoCorrelations(t *testing.T) {
	t.Parallel()
	tracer, r := recorded(t)
	ctx, outer := telemetry.Start(event.WithCorrelation(t.Context(), uuid.NewString()), tracer, "outer", "")
	_, inner := telemetry.Start(event.WithCorrelation(ctx, correlation), tracer, "inner", "")
	inner.End()
	got := r.Ended()[0]
	if got.SpanContext().TraceID().String() != traceID || got.Parent().IsValid() {
		t.Errorf("the inner span is in trace %s under %v", got.SpanContext().TraceID(), got.Parent())
	}
	if l := got.Links(); len(l) != 1 || !l[0].SpanContext.Equal(outer.SpanContext()) {
		t.Errorf("the inner span links to %v", l)
	}
}

func TestCarrier(t *testing.T) {
	t.Parallel()
	const parent = "00-" + traceID + "-00f067aa0ba902b7-01"
	for name, headers := range map[string]map[string][]string{
		"lower case":     {"traceparent": {parent}},
		"canonical":      {"Traceparent": {parent}},
		"upper case":     {"TRACEPARENT": {parent}},
		"exact is first": {"Traceparent": {"00-" + "1" + traceID[1:] + "-00f067aa0ba902b7-01"}, "traceparent": {parent}},
		"empty is not":   {"traceparent": {}, "Traceparent": {parent}},
	} {
		if got := telemetry.CorrelationOf(headers); got != correlation {
			t.Errorf("%s: the correlation ID is %q", name, got)
		}
	}
	if got := telemetry.CorrelationOf(map[string][]string{"traceparent": {"nonsense"}}); got != "" {
		t.Errorf("nonsense stands for %q", got)
	}

	out := map[string][]string{}
	telemetry.Inject(telemetry.Extract(context.Background(), map[string][]string{"Traceparent": {parent}, "tracestate": {"a=1"}}), out)
	if len(out) != 2 || len(out["traceparent"]) != 1 || out["traceparent"][0] != parent || out["tracestate"][0] != "a=1" {
		t.Errorf("the headers became %v", out)
	}
}
