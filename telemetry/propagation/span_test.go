package propagation_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

const (
	correlation = "550e8400-e29b-41d4-a716-446655440000"
	traceID     = "550e8400e29b41d4a716446655440000"
)

func recorded(t *testing.T) (trace.Tracer, *tracetest.SpanRecorder) {
	t.Helper()
	r := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithIDGenerator(propagation.IDGenerator{}), sdktrace.WithSpanProcessor(r))
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
		"text":                 {"quiz-17", propagation.TraceID("quiz-17").String()},
	} {
		_, span := propagation.StartSpan(propagation.WithCorrelation(t.Context(), tt.correlation), tracer, name, "")
		if got := span.SpanContext().TraceID().String(); got != tt.want || !span.SpanContext().IsValid() {
			t.Errorf("%s: the trace ID is %s, want %s", name, got, tt.want)
		}
	}
	_, a := propagation.StartSpan(t.Context(), tracer, "none", "")
	_, b := propagation.StartSpan(t.Context(), tracer, "none", "")
	if !a.SpanContext().IsValid() || a.SpanContext().TraceID() == b.SpanContext().TraceID() {
		t.Errorf("without a correlation ID the traces are %s and %s", a.SpanContext().TraceID(), b.SpanContext().TraceID())
	}
}

func TestSeedFixesOneSpanIDAndNotItsChildren(t *testing.T) {
	t.Parallel()
	tracer, _ := recorded(t)
	ctx := propagation.WithCorrelation(t.Context(), correlation)
	ctx, span := propagation.StartSpan(ctx, tracer, "process", "process/router/CYTUBE:1/1")
	want := propagation.SpanID(span.SpanContext().TraceID(), "process/router/CYTUBE:1/1")
	if got := span.SpanContext().SpanID(); got != want {
		t.Errorf("the span ID is %s, want %s", got, want)
	}
	_, child := propagation.StartSpan(ctx, tracer, "send", "")
	if child.SpanContext().SpanID() == want || child.SpanContext().TraceID() != span.SpanContext().TraceID() {
		t.Errorf("the child is %v", child.SpanContext())
	}
	if other := propagation.SpanID(trace.TraceID{1}, "process/router/CYTUBE:1/1"); other == want {
		t.Error("one seed gives one span ID in two traces")
	}
}

func TestNoTraceMixesTwoCorrelations(t *testing.T) {
	t.Parallel()
	tracer, r := recorded(t)
	ctx, outer := propagation.StartSpan(propagation.WithCorrelation(t.Context(), uuid.NewString()), tracer, "outer", "")
	_, inner := propagation.StartSpan(propagation.WithCorrelation(ctx, correlation), tracer, "inner", "")
	inner.End()
	got := r.Ended()[0]
	if got.SpanContext().TraceID().String() != traceID || got.Parent().IsValid() {
		t.Errorf("the inner span is in trace %s under %v", got.SpanContext().TraceID(), got.Parent())
	}
	if l := got.Links(); len(l) != 1 || !l[0].SpanContext.Equal(outer.SpanContext()) {
		t.Errorf("the inner span links to %v", l)
	}
}

func TestTraceID(t *testing.T) {
	t.Parallel()
	want := trace.TraceID(uuid.MustParse(correlation))
	if propagation.TraceID(correlation) != want || propagation.TraceID(traceID) != want {
		t.Error("a UUID's trace ID must be its own 16 bytes")
	}
	if propagation.TraceID("").IsValid() {
		t.Error("no correlation ID must give no trace ID")
	}
	for _, id := range []string{"chat-17", uuid.Nil.String(), "{" + correlation + "}", strings.Repeat("z", 36)} {
		if !propagation.TraceID(id).IsValid() {
			t.Errorf("%q has no trace ID", id)
		}
	}
	if a, b := event.NewCorrelationID(), event.NewCorrelationID(); a == b || propagation.TraceID(a) == propagation.TraceID(b) {
		t.Error("new correlation IDs must differ")
	}
}
