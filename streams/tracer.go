package streams

import (
	"context"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/time/rate"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/recent"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Tracer makes the spans of events: one for each that is sent, and one for each
// time that one is handled. The trace of an event is that of its conversation
// (see event.TraceID), and it is one tree whoever took part: an event whose
// publisher named no span of the conversation gets its send span from whoever
// handles it (see docs/tracing.md). It is safe for concurrent use.
type Tracer struct {
	spans trace.Tracer
	off   bool // nothing is recorded, and what others named is passed on
	js    jetstream.JetStream

	known    *recent.Map[trace.TraceID, trace.SpanContext] // a span of each conversation that was met lately
	adopted  *recent.Map[trace.SpanID, trace.SpanContext]  // send spans that were made here for others
	searches *rate.Limiter
}

// recentKept is how many conversations, and spans made for others, a Tracer knows.
const recentKept = 8192

// NewTracer makes a Tracer. It reads the streams for events that came without a
// traceparent.
func NewTracer(spans trace.Tracer, js jetstream.JetStream) *Tracer {
	_, off := spans.(noop.Tracer)
	return &Tracer{
		spans: spans, off: off, js: js, searches: rate.NewLimiter(searchesPerSecond, searchesPerSecond),
		known:   recent.NewMap[trace.TraceID, trace.SpanContext](recentKept),
		adopted: recent.NewMap[trace.SpanID, trace.SpanContext](recentKept),
	}
}

// send starts the span of publishing an event, or with SpanKindClient of a
// request.
func (t *Tracer) send(ctx context.Context, e event.Envelope, kind trace.SpanKind) (context.Context, trace.Span) {
	ctx = propagation.WithCorrelation(ctx, e.CorrelationID)
	if t.off {
		return ctx, trace.SpanFromContext(ctx)
	}
	opts := []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(SendAttributes(e)...)}
	if around := trace.SpanContextFromContext(ctx); around.TraceID() != propagation.TraceID(e.CorrelationID) {
		ctx = trace.ContextWithRemoteSpanContext(ctx, t.parentOf(ctx, e, around.IsValid()))
		opts = append(opts, linked(around)...)
	}
	ctx, span := propagation.StartSpan(ctx, t.spans, "send "+event.Template(e.Subject), "", opts...)
	t.meet(span.SpanContext())
	return ctx, span
}

// parentOf is the span that a publish belongs under which is not made in a span
// of its conversation, and invalid where it begins one. A conversation that is
// not known here is searched for only on behalf of a handler that speaks in
// another conversation than its own: most others begin one.
func (t *Tracer) parentOf(ctx context.Context, e event.Envelope, search bool) trace.SpanContext {
	if _, caused := e.Causation(); !caused && !search {
		sc, _ := t.known.Get(propagation.TraceID(e.CorrelationID))
		return sc
	}
	ctx, cancel := context.WithTimeout(ctx, adoptTimeout)
	defer cancel()
	return t.belongs(ctx, Stored{Envelope: e, At: time.Now()}, search, 0)
}

// Delivery starts the span of handling an event that a durable consumer was
// given. The context it returns is the one to handle the event in (see
// Handling). ProcessSeed fixes the span's ID.
func (t *Tracer) Delivery(ctx context.Context, s Stored, durable string) (context.Context, trace.Span) {
	if t.off {
		return passOn(ctx, s)
	}
	find := func(ctx context.Context) trace.SpanContext { return t.adopt(ctx, s, 0) }
	ctx, span := t.process(ctx, s, durable, ProcessSeed(durable, s.Ref, s.Attempt), trace.SpanKindConsumer, find)
	if span.IsRecording() {
		span.SetAttributes(DeliveryAttributes(s.Ref, s.Attempt, max(time.Since(s.At), 0))...)
	}
	return ctx, span
}

// Answer is Delivery for a request, which comes with no place in a stream. One
// that belongs to no conversation begins one. The span's ID is fixed by the
// request's own span; see AnswerSeed.
func (t *Tracer) Answer(ctx context.Context, s Stored) (context.Context, trace.Span) {
	begins := s.CorrelationID == ""
	if begins {
		s.CorrelationID = event.NewCorrelationID()
	}
	if t.off {
		return passOn(ctx, s)
	}
	seed := ""
	if asked, _ := named(s); asked.IsValid() {
		seed = AnswerSeed(asked.SpanID())
	}
	return t.process(ctx, s, "", seed, trace.SpanKindServer, func(ctx context.Context) trace.SpanContext {
		if begins {
			return trace.SpanContext{}
		}
		// A request that turns out to begin a conversation is answered once, so
		// that the span of that is a good root.
		return t.belongs(ctx, s, true, 0)
	})
}

// AnswerSeed is the seed of the span that answers a request (see
// telemetry.StartSpan), made of the span that sent it.
func AnswerSeed(request trace.SpanID) string { return "answer/" + request.String() }

// ProcessSeed is the seed of the span that handles a delivery (see
// telemetry.StartSpan), by which the span can be rebuilt from the streams.
func ProcessSeed(durable string, ref event.Ref, attempt int) string {
	return "process/" + durable + "/" + ref.String() + "/" + strconv.Itoa(attempt)
}

// SendSeed is the seed of the send span (see telemetry.StartSpan) of a stored event
// that came without one.
func SendSeed(ref event.Ref) string { return "send/" + ref.String() }

// passOn is how an event is handled while nothing is recorded: what others named
// is the parent of what comes of it.
func passOn(ctx context.Context, s Stored) (context.Context, trace.Span) {
	ctx = Handling(ctx, s)
	return ctx, trace.SpanFromContext(ctx)
}

// process starts the span of handling an event. Find finds its parent when the
// event names none.
func (t *Tracer) process(ctx context.Context, s Stored, durable, seed string, kind trace.SpanKind, find func(context.Context) trace.SpanContext) (context.Context, trace.Span) {
	ctx = Handling(ctx, s)
	opts := []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(ProcessAttributes(s.Envelope, durable)...)}
	parent, foreign := named(s)
	if !parent.IsValid() {
		limited, cancel := context.WithTimeout(ctx, adoptTimeout)
		parent = find(limited)
		cancel()
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
		opts = append(opts, linked(foreign)...)
	}
	t.meet(parent)
	ctx, span := propagation.StartSpan(ctx, t.spans, "process "+event.Template(s.Subject), seed, opts...)
	t.meet(span.SpanContext())
	return ctx, span
}

// named is the span of its conversation that an event's publisher named. Foreign
// is one that it named of another trace, which can only be linked to.
func named(s Stored) (sc, foreign trace.SpanContext) {
	sc = propagation.RemoteSpan(s.Header)
	if sc.IsValid() && sc.TraceID() != propagation.TraceID(s.CorrelationID) {
		return trace.SpanContext{}, sc
	}
	return sc, trace.SpanContext{}
}

func linked(sc trace.SpanContext) []trace.SpanStartOption {
	if !sc.IsValid() {
		return nil
	}
	return []trace.SpanStartOption{trace.WithLinks(trace.Link{SpanContext: sc})}
}

// meet remembers a span of a conversation, unless one is known.
func (t *Tracer) meet(sc trace.SpanContext) {
	if _, known := t.known.Get(sc.TraceID()); !known && sc.IsValid() {
		t.known.Set(sc.TraceID(), sc)
	}
}

// SendAttributes are the attributes of the span that sends an event, after
// OpenTelemetry's messaging conventions.
func SendAttributes(e event.Envelope) []attribute.KeyValue { return attributes(e, "send") }

// ProcessAttributes are the attributes of a span that handles an event. The
// subscription is the durable consumer's name, or "".
func ProcessAttributes(e event.Envelope, subscription string) []attribute.KeyValue {
	kv := attributes(e, "process")
	if subscription != "" {
		kv = append(kv, attribute.String("messaging.destination.subscription.name", subscription))
	}
	return kv
}

// DeliveryAttributes are those that ProcessAttributes does not have and a
// delivery to a durable consumer has.
func DeliveryAttributes(ref event.Ref, attempt int, waited time.Duration) []attribute.KeyValue {
	return []attribute.KeyValue{
		MessageID(ref),
		attribute.Int("rosey.delivery.attempt", attempt),
		attribute.Float64("rosey.queue.wait", waited.Seconds()), // s
	}
}

// MessageID is the attribute that names a stored event.
func MessageID(ref event.Ref) attribute.KeyValue {
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

// Fail marks a span as failed, with the error's contract code as error.type or
// the fallback where it has none, and returns the error.
func Fail(span trace.Span, err error, fallback event.Code) error {
	if err != nil && span.IsRecording() {
		span.SetAttributes(attribute.String("error.type", string(event.AsError(err, fallback).Code)))
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}
