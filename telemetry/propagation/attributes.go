package propagation

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
)

// SendAttributes returns the attributes of the span that sends an event, by
// OpenTelemetry's messaging conventions.
func SendAttributes(e event.Envelope) []attribute.KeyValue { return attributes(e, "send") }

// ProcessAttributes returns the attributes of a span that handles an event. The
// subscription is the durable consumer's name, or "".
func ProcessAttributes(e event.Envelope, subscription string) []attribute.KeyValue {
	kv := attributes(e, "process")
	if subscription != "" {
		kv = append(kv, attribute.String("messaging.destination.subscription.name", subscription))
	}
	return kv
}

// DeliveryAttributes returns the further attributes of a span that handles a
// delivery to a durable consumer.
func DeliveryAttributes(ref event.Ref, attempt int, waited time.Duration) []attribute.KeyValue {
	return []attribute.KeyValue{
		MessageIDAttribute(ref),
		attribute.Int("rosey.delivery.attempt", attempt),
		attribute.Float64("rosey.queue.wait", waited.Seconds()), // s
	}
}

// MessageIDAttribute returns the attribute that names a stored event.
func MessageIDAttribute(ref event.Ref) attribute.KeyValue {
	return attribute.String("messaging.message.id", ref.String())
}

func attributes(e event.Envelope, operation string) []attribute.KeyValue {
	kv := make([]attribute.KeyValue, 0, 12)
	kv = append(kv,
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.operation.type", operation),
		attribute.String("messaging.operation.name", operation),
		attribute.String("messaging.destination.name", e.Subject),
		attribute.String("messaging.destination.template", event.Template(e.Subject)),
		attribute.String("messaging.message.conversation_id", e.CorrelationID),
	)
	if source := e.Meta(event.MetaSource); source != "" {
		kv = append(kv, attribute.String("rosey.event.source", source))
	}
	return kv
}

// RecordError marks a span as failed, with the error's contract code as error.type or
// the fallback where it has none, and returns the error. The code stands also for a message
// that may quote what somebody typed: nothing erases it from a collector.
func RecordError(span trace.Span, err error, fallback event.Code) error {
	if err != nil && span.IsRecording() {
		code, message := string(event.AsError(err, fallback).Code), err.Error()
		if _, personal := event.Loggable(err).(event.Personal); personal {
			message = code
		}
		span.SetAttributes(attribute.String("error.type", code))
		span.SetStatus(codes.Error, message)
	}
	return err
}
