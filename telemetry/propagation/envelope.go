package propagation

import (
	"context"
	"fmt"
	"maps"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
)

// Fill returns e with what it lacks: the correlation ID of ctx, or else a new one; as
// metadata.causation_id the event that is handled in ctx; and the entries of defaults,
// a map that must not be changed afterwards. What e has stays as it is.
//
// A request has no position in a stream that could be named as the cause of what is
// published while it is answered, so that gets the span of the answer as
// metadata.parent_span instead.
func Fill(ctx context.Context, e event.Envelope, defaults map[string]any) event.Envelope {
	if e.CorrelationID == "" {
		e.CorrelationID = Correlation(ctx)
	}
	if e.CorrelationID == "" {
		e.CorrelationID = event.NewCorrelationID()
	}
	cause := Cause(ctx).String()
	parent := ""
	if span := trace.SpanContextFromContext(ctx); cause == "" && e.Metadata[event.MetaCausation] == nil &&
		span.IsValid() && span.TraceID() == TraceID(e.CorrelationID) {
		parent = span.SpanID().String()
	}
	if cause == "" && parent == "" && len(e.Metadata) == 0 {
		e.Metadata = defaults
		return e
	}
	meta := make(map[string]any, 8)
	maps.Copy(meta, defaults)
	if cause != "" {
		meta[event.MetaCausation] = cause
	}
	maps.Copy(meta, e.Metadata)
	if parent != "" {
		meta[event.MetaParentSpan] = parent
	}
	e.Metadata = meta
	return e
}

// CorrelationOf returns the correlation ID of an event whose body names id: that ID,
// else the one in the Rosey-Correlation-Id header, else the one that stands for the
// trace in the headers, else "". An ID longer than event.MaxCorrelationID is skipped,
// since nothing could be published with it.
func CorrelationOf(id string, headers map[string][]string) string {
	if id != "" && event.CheckCorrelation(id) == nil {
		return id
	}
	if len(headers) == 0 {
		return ""
	}
	if id = carrier(headers).Get(HeaderCorrelation); id != "" && event.CheckCorrelation(id) == nil {
		return id
	}
	return traceCorrelation(headers)
}

// ImpliedCorrelation returns the correlation ID of a stored event that has none that
// can be used. It follows from the event's position, so that all readers agree on it.
func ImpliedCorrelation(ref event.Ref, at time.Time) string {
	return fmt.Sprintf("%s@%s", ref, at.UTC().Format(time.RFC3339Nano))
}
