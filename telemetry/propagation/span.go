package propagation

import (
	"context"
	"crypto/rand"
	"crypto/sha256"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
)

// TraceID returns the trace ID that a correlation ID stands for: a UUID's own 16
// bytes, with or without hyphens, or the first 16 bytes of the SHA-256 of any other
// text. Only the empty ID gives the zero value, which is not valid.
func TraceID(correlationID string) trace.TraceID {
	if correlationID == "" {
		return trace.TraceID{}
	}
	if len(correlationID) == 36 || len(correlationID) == 32 {
		if id, err := uuid.Parse(correlationID); err == nil && id != uuid.Nil {
			return trace.TraceID(id)
		}
	}
	sum := sha256.Sum256([]byte(correlationID))
	return trace.TraceID(sum[:16])
}

// SpanID returns the span ID that a seed stands for within a trace. Whoever knows the
// seed can name the span without having seen it, which is how spans are rebuilt from
// the streams with the IDs they had.
func SpanID(traceID trace.TraceID, seed string) trace.SpanID {
	sum := sha256.Sum256(append(traceID[:], seed...))
	return trace.SpanID(sum[:8])
}

// StartSpan starts a span. A seed, unless empty, fixes the span's ID to SpanID of the
// seed; it holds for this span and not for its children. Where the context's span
// belongs to another trace than its correlation ID, the new span is a root that links
// to that span, so that no trace mixes two correlation IDs. The tracer's provider must
// have an IDGenerator.
func StartSpan(ctx context.Context, tracer trace.Tracer, name, seed string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	parent := trace.SpanContextFromContext(ctx)
	id := TraceID(Correlation(ctx))
	if parent.IsValid() && id.IsValid() && parent.TraceID() != id {
		opts = append(opts, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: parent}))
	}
	if seed == "" {
		return tracer.Start(ctx, name, opts...)
	}
	_, span := tracer.Start(context.WithValue(ctx, seedKey{}, seed), name, opts...)
	return trace.ContextWithSpan(ctx, span), span
}

type seedKey struct{}

// IDGenerator generates the IDs of the SDK's spans: trace IDs from the context's
// correlation ID and span IDs from StartSpan's seed, random ones where there is none.
type IDGenerator struct{}

// NewIDs returns the IDs of a root span.
func (g IDGenerator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id := TraceID(Correlation(ctx))
	if !id.IsValid() {
		_, _ = rand.Read(id[:])
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID returns the ID of a span within a trace.
func (IDGenerator) NewSpanID(ctx context.Context, traceID trace.TraceID) trace.SpanID {
	if seed, _ := ctx.Value(seedKey{}).(string); seed != "" {
		return SpanID(traceID, seed)
	}
	var id trace.SpanID
	_, _ = rand.Read(id[:])
	return id
}
