package streams

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry"
)

// Responder answers one request. Its result is the reply's body; its error
// becomes the contract's error response, with PLUGIN_ERROR unless it has a
// code.
type Responder func(context.Context, event.Envelope) (any, error)

// Service makes a micro endpoint of a Responder: it reads the request's
// envelope, checks it against the contract, carries its correlation ID and trace
// into the responder's context, and writes the contract's error response for
// whatever goes wrong, a panic included. It works until ctx ends.
func (b *Bus) Service(ctx context.Context, r Responder) micro.Handler {
	return micro.HandlerFunc(func(req micro.Request) {
		reply, err := b.answer(ctx, req, r)
		if req.Reply() == "" {
			return
		}
		var sendErr error
		if err == nil {
			sendErr = req.Respond(reply)
		} else {
			// The error also goes into the headers and the service's statistics,
			// where `nats micro stats` finds it.
			sendErr = req.Error(string(err.Code), firstLine(err.Message), reply)
		}
		if sendErr != nil {
			b.log.WarnContext(ctx, "reply was not sent", "subject", req.Subject(), "error", sendErr)
		}
	})
}

func (b *Bus) answer(ctx context.Context, req micro.Request, r Responder) ([]byte, *event.Error) {
	header := nats.Header(req.Headers())
	e, err := Decode(req.Subject(), header, req.Data(), time.Now())
	if err == nil {
		err = e.Validate()
	}
	if e.CorrelationID == "" {
		e.CorrelationID = event.NewCorrelationID()
	}
	ctx, span := telemetry.Start(Handling(ctx, Stored{Envelope: e, Header: header}), b.tracer,
		"process "+event.Template(e.Subject), "", trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(ProcessAttributes(e, "")...))
	defer span.End()
	var result any
	if err == nil {
		result, err = call(ctx, e, r)
	}
	if err == nil {
		var reply []byte
		if reply, err = event.Encode(result); err == nil {
			return reply, nil
		}
	}
	failure := event.AsError(err, event.PluginError)
	fail(span, failure)
	b.log.WarnContext(ctx, "request failed", "subject", e.Subject, "error", failure)
	reply, err := failure.MarshalJSON()
	if err != nil {
		reply, _ = event.Errorf(failure.Code, "%s", failure.Message).MarshalJSON()
	}
	return reply, failure
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

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
