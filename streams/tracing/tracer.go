// Package tracing makes the spans of a Bus's events, which form one tree a conversation.
package tracing

import (
	"context"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/time/rate"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/recent"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// tracer makes the spans of events: one for each that is sent, and one for each
// time that one is handled. An event's trace is that of its conversation, the
// events with its correlation ID (see propagation.TraceID), and it is one tree: an
// event whose publisher named no span of the conversation gets a synthesized send
// span from a process that handles it (see docs/tracing.md). It is safe for
// concurrent use.
type tracer struct {
	spans trace.Tracer
	js    jetstream.JetStream

	known       *recent.Map[trace.TraceID, trace.SpanContext] // the first known span of each recent conversation
	synthesized *recent.Map[trace.SpanID, trace.SpanContext]
	searches    *rate.Limiter
}

// recentLimit is how many conversations and synthesized spans a Tracer remembers.
const recentLimit = 8192

// New returns a Tracer of the given spans. It reads the streams for events that came
// without a traceparent.
func New(spans trace.Tracer, js jetstream.JetStream) streams.Tracer {
	if _, off := spans.(noop.Tracer); off {
		return streams.NoTracer{}
	}
	return &tracer{
		spans: spans, js: js, searches: rate.NewLimiter(searchesPerSecond, searchesPerSecond),
		known:       recent.NewMap[trace.TraceID, trace.SpanContext](recentLimit),
		synthesized: recent.NewMap[trace.SpanID, trace.SpanContext](recentLimit),
	}
}

// With sets the tracer of a Bus's spans.
func With(t trace.Tracer) streams.BusOption {
	return func(b *streams.Bus) { streams.WithTracer(New(t, b.JetStream()))(b) }
}

// Send implements streams.Tracer.
func (t *tracer) Send(ctx context.Context, e event.Envelope, kind trace.SpanKind) (context.Context, trace.Span) {
	ctx = propagation.WithCorrelation(ctx, e.CorrelationID)
	opts := []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(propagation.SendAttributes(e)...)}
	if current := trace.SpanContextFromContext(ctx); current.TraceID() != propagation.TraceID(e.CorrelationID) {
		ctx = trace.ContextWithRemoteSpanContext(ctx, t.sendParent(ctx, e, current.IsValid()))
		opts = append(opts, linkTo(current)...)
	}
	ctx, span := propagation.StartSpan(ctx, t.spans, "send "+event.Template(e.Subject), "", opts...)
	t.remember(span.SpanContext())
	return ctx, span
}

// sendParent returns the parent of a send span that is not started within a span of
// the event's conversation; it is invalid if the event begins the conversation. An
// unknown conversation is searched for only when the publisher is within a span of
// another one: without any span it most likely begins one.
func (t *tracer) sendParent(ctx context.Context, e event.Envelope, search bool) trace.SpanContext {
	if _, caused := e.Causation(); !caused && !search {
		sc, _ := t.known.Get(propagation.TraceID(e.CorrelationID))
		return sc
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	return t.findParent(ctx, streams.Stored{Envelope: e, At: time.Now()}, search, 0)
}

// Delivery implements streams.Tracer. ProcessSeed fixes the span's ID.
func (t *tracer) Delivery(ctx context.Context, s streams.Stored, durable string) (context.Context, trace.Span) {
	find := func(ctx context.Context) trace.SpanContext { return t.sendSpan(ctx, s, 0) }
	ctx, span := t.process(ctx, s, durable, ProcessSeed(durable, s.Ref, s.Attempt), trace.SpanKindConsumer, find)
	if span.IsRecording() {
		span.SetAttributes(propagation.DeliveryAttributes(s.Ref, s.Attempt, max(time.Since(s.At), 0))...)
	}
	return ctx, span
}

// Answer implements streams.Tracer. A request without a correlation ID begins a
// conversation. The request's span fixes the ID of the new one; see AnswerSeed.
func (t *tracer) Answer(ctx context.Context, s streams.Stored) (context.Context, trace.Span) {
	begins := s.CorrelationID == ""
	if begins {
		s.CorrelationID = event.NewCorrelationID()
	}
	seed := ""
	if request, _ := publisherSpan(s); request.IsValid() {
		seed = AnswerSeed(request.SpanID())
	}
	return t.process(ctx, s, "", seed, trace.SpanKindServer, func(ctx context.Context) trace.SpanContext {
		if begins {
			return trace.SpanContext{}
		}
		// If the request begins its conversation, this span is the root: a request
		// is answered once.
		return t.findParent(ctx, s, true, 0)
	})
}

// AnswerSeed is the seed of the span that answers a request (see
// propagation.StartSpan), made of the span that sent it.
func AnswerSeed(request trace.SpanID) string { return "answer/" + request.String() }

// ProcessSeed returns the seed (see propagation.StartSpan) of the span that handles a
// delivery, by which the span can be rebuilt from the streams.
func ProcessSeed(durable string, ref event.Ref, attempt int) string {
	return "process/" + durable + "/" + ref.String() + "/" + strconv.Itoa(attempt)
}

// SendSeed returns the seed (see propagation.StartSpan) of the synthesized send span of
// a stored event.
func SendSeed(ref event.Ref) string { return "send/" + ref.String() }

// process starts the span that handles an event. Find returns the parent of one
// whose publisher named none.
func (t *tracer) process(ctx context.Context, s streams.Stored, durable, seed string, kind trace.SpanKind, find func(context.Context) trace.SpanContext) (context.Context, trace.Span) {
	ctx = streams.ContextWithEvent(ctx, s)
	opts := []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(propagation.ProcessAttributes(s.Envelope, durable)...)}
	parent, foreign := publisherSpan(s)
	if !parent.IsValid() {
		limited, cancel := context.WithTimeout(ctx, lookupTimeout)
		parent = find(limited)
		cancel()
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
		opts = append(opts, linkTo(foreign)...)
	}
	t.remember(parent)
	ctx, span := propagation.StartSpan(ctx, t.spans, "process "+event.Template(s.Subject), seed, opts...)
	t.remember(span.SpanContext())
	return ctx, span
}

// publisherSpan returns the span in an event's headers: sc if it belongs to the event's
// conversation, and else foreign, which can only be linked to.
func publisherSpan(s streams.Stored) (sc, foreign trace.SpanContext) {
	sc = propagation.RemoteSpan(s.Header)
	if sc.IsValid() && sc.TraceID() != propagation.TraceID(s.CorrelationID) {
		return trace.SpanContext{}, sc
	}
	return sc, trace.SpanContext{}
}

func linkTo(sc trace.SpanContext) []trace.SpanStartOption {
	if !sc.IsValid() {
		return nil
	}
	return []trace.SpanStartOption{trace.WithLinks(trace.Link{SpanContext: sc})}
}

// remember makes a span the known one of its conversation, unless there is one.
func (t *tracer) remember(sc trace.SpanContext) {
	if _, known := t.known.Get(sc.TraceID()); !known && sc.IsValid() {
		t.known.Set(sc.TraceID(), sc)
	}
}
