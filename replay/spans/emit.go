package spans

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func (b *builder) emit() {
	for _, n := range b.nodes {
		b.emitSend(n)
	}
	for _, d := range b.deliveries {
		b.emitDelivery(d)
	}
}

func (b *builder) emitSend(n *replay.Node) {
	from := n.Timestamp
	if from.After(n.At) || n.At.Sub(from) > time.Minute {
		from = n.At // the timestamp is another clock's, or written by hand
	}
	kind := trace.SpanKindProducer
	if stream, _ := streams.For(n.Subject); stream.NoAck {
		kind = trace.SpanKindClient
	}
	b.start("send "+event.Template(n.Subject), b.sends[n], b.parent(n), kind, from,
		append(propagation.SendAttributes(n.Envelope), propagation.MessageIDAttribute(n.Ref))).End(trace.WithTimestamp(n.At))
}

func (b *builder) emitDelivery(d *delivery) {
	cause := d.cause
	from, to, waited, known := d.times()
	parent := b.named(cause.Header)
	if !parent.IsValid() {
		parent = b.sends[cause]
	}
	name := "process " + event.Template(cause.Subject)
	if d.answer.IsValid() {
		b.start(name, d.answer, parent, trace.SpanKindServer, from, propagation.ProcessAttributes(cause.Envelope, "")).End(trace.WithTimestamp(to))
		return
	}
	span := b.start(name, b.processID(d.deliveryKey), parent, trace.SpanKindConsumer, from, propagation.ProcessAttributes(cause.Envelope, d.consumer))
	if known {
		span.SetAttributes(propagation.DeliveryAttributes(cause.Ref, d.attempt, waited)...)
	} else {
		span.SetAttributes(propagation.MessageIDAttribute(cause.Ref), attribute.Int("rosey.delivery.attempt", d.attempt))
	}
	if d.failure != nil {
		_ = propagation.RecordError(span, d.failure, d.failure.Code)
	}
	span.SetAttributes(attribute.String("rosey.outcome", d.outcome))
	span.End(trace.WithTimestamp(to))
}

// times returns when a delivery began and ended, as far as its outputs tell, and how
// long its event had waited.
func (d *delivery) times() (from, to time.Time, waited time.Duration, known bool) {
	from, to = d.cause.At, d.cause.At
	if len(d.outputs) > 0 {
		from = d.outputs[0].Timestamp
	}
	for _, n := range d.outputs {
		if n.Timestamp.Before(from) {
			from = n.Timestamp
		}
		if n.At.After(to) {
			to = n.At
		}
		if w, ok := replay.Waited(n.Stored); ok {
			waited, known = w, true
		}
	}
	if known {
		from = d.cause.At.Add(waited)
	}
	if from.Before(d.cause.At) || from.After(to) {
		from = d.cause.At
	}
	return from, to, waited, known
}

func (b *builder) start(name string, id, parent trace.SpanID, kind trace.SpanKind, from time.Time, attrs []attribute.KeyValue) trace.Span {
	ctx := withIDs(context.Background(), b.spanContext(id))
	if parent.IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, b.spanContext(parent))
	}
	_, span := b.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(from), trace.WithAttributes(append(attrs, rebuilt)...))
	return span
}

func (b *builder) spanContext(id trace.SpanID) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: b.traceID, SpanID: id, TraceFlags: trace.FlagsSampled})
}
