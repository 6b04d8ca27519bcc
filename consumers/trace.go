package consumers

import (
	"context"

	"go.opentelemetry.io/otel/attribute"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Trace records a span for each delivery, from its receipt until it is settled, in
// the event's trace.
func Trace(tracer streams.Tracer, durable string) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			ctx, span := tracer.Delivery(ctx, d, durable)
			defer span.End()
			delivery := deliveryOf(ctx)
			delivery.Span = span.SpanContext()
			out, err := next(ctx, d)
			_ = propagation.RecordError(span, err, event.PluginError)
			span.SetAttributes(attribute.String("rosey.outcome", delivery.Result))
			return out, err
		}
	}
}
