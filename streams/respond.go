package streams

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry"
)

// Responder answers one request. Its result is the reply's body; its error
// becomes the contract's error response, with PLUGIN_ERROR unless it has a
// code.
type Responder func(context.Context, event.Envelope) (any, error)

// Respond answers requests on a pattern of subjects; several responders in one
// queue group share them. A responder that panics answers PLUGIN_ERROR.
func (b *Bus) Respond(ctx context.Context, pattern, queue string, r Responder) (*Subscription, error) {
	sub, err := b.nc.QueueSubscribe(pattern, queue, func(msg *nats.Msg) {
		reply := b.answer(ctx, msg, r)
		if msg.Reply == "" {
			return
		}
		if err := msg.Respond(reply); err != nil {
			b.log.WarnContext(ctx, "reply was not sent", "subject", msg.Subject, "error", err)
		}
	})
	if err != nil {
		return nil, event.Errorf(event.NATSError, "respond to %s: %w", pattern, err)
	}
	return &Subscription{stops: []func(){func() { _ = sub.Unsubscribe() }}}, nil
}

func (b *Bus) answer(ctx context.Context, msg *nats.Msg, r Responder) (reply []byte) {
	e, err := Decode(msg.Subject, msg.Header, msg.Data, time.Now())
	if err == nil {
		err = e.Validate()
	}
	if e.CorrelationID == "" {
		e.CorrelationID = event.NewCorrelationID()
	}
	ctx, span := telemetry.Start(Handling(ctx, Stored{Envelope: e, Header: msg.Header}), b.tracer,
		"process "+event.Template(e.Subject), "", trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(ProcessAttributes(e, "")...))
	defer span.End()
	var result any
	if err == nil {
		result, err = call(ctx, e, r)
	}
	if err == nil {
		if reply, err = event.Encode(result); err == nil {
			return reply
		}
	}
	failure := event.AsError(err, event.PluginError)
	fail(span, failure)
	b.log.WarnContext(ctx, "request failed", "subject", e.Subject, "error", failure)
	if reply, err = failure.MarshalJSON(); err != nil {
		reply, _ = event.Errorf(failure.Code, "%s", failure.Message).MarshalJSON()
	}
	return reply
}

func call(ctx context.Context, e event.Envelope, r Responder) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = event.Errorf(event.PluginError, "the plugin failed: %v", p)
		}
	}()
	return r(ctx, e)
}

// ProcessAttributes are the attributes of a span that handles an event, after
// OpenTelemetry's messaging conventions. The subscription is the durable
// consumer's name, or "".
func ProcessAttributes(e event.Envelope, subscription string) []attribute.KeyValue {
	kv := []attribute.KeyValue{
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.destination.name", e.Subject),
		attribute.String("messaging.destination.template", event.Template(e.Subject)),
		attribute.String("messaging.message.conversation_id", e.CorrelationID),
	}
	if subscription != "" {
		kv = append(kv, attribute.String("messaging.destination.subscription.name", subscription))
	}
	return kv
}
