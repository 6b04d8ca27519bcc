// Package telemetry sets up OpenTelemetry and slog so that one correlation ID
// finds an event's log lines, its spans and its trace: the trace ID is the
// correlation ID.
package telemetry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
)

// IDs is an OpenTelemetry IDGenerator whose trace IDs are the correlation IDs
// found in the context (see event.TraceID). Span IDs are random, unless the
// span was started by Start with a seed.
type IDs struct{}

// NewIDs returns the trace ID of the context's correlation ID, or a random one
// where there is none, and a span ID.
func (g IDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id := trace.TraceID(event.TraceID(event.Correlation(ctx)))
	for !id.IsValid() {
		rand.Read(id[:])
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID returns the context's seeded span ID or a random one.
func (IDs) NewSpanID(ctx context.Context, traceID trace.TraceID) trace.SpanID {
	if seed, _ := ctx.Value(seedKey{}).(string); seed != "" {
		return SeededSpanID(traceID, seed)
	}
	var id trace.SpanID
	for !id.IsValid() {
		rand.Read(id[:])
	}
	return id
}

// SeededSpanID is the span ID that a seed stands for within a trace. Whoever
// knows the seed can name the span without having seen it, which is how spans
// are rebuilt from the streams with the IDs they had.
func SeededSpanID(traceID trace.TraceID, seed string) trace.SpanID {
	sum := sha256.Sum256(append(traceID[:], seed...))
	return trace.SpanID(sum[:8])
}

type seedKey struct{}

// Start starts a span. A seed, unless empty, fixes the span's ID within its
// trace; it holds for this span alone and not for its children. Where the
// context's span belongs to another trace than its correlation ID, the new span
// is a root linked to that span, so that no trace mixes two correlation IDs.
func Start(ctx context.Context, tracer trace.Tracer, name, seed string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	parent := trace.SpanContextFromContext(ctx)
	id := trace.TraceID(event.TraceID(event.Correlation(ctx)))
	if parent.IsValid() && id.IsValid() && parent.TraceID() != id {
		opts = append(opts, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: parent}))
	}
	if seed == "" {
		return tracer.Start(ctx, name, opts...)
	}
	_, span := tracer.Start(context.WithValue(ctx, seedKey{}, seed), name, opts...)
	return trace.ContextWithSpan(ctx, span), span
}
