package tracing

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Publishers that trace nothing, such as plugins in other languages and `nats pub`,
// leave events without a span, and a trace with several roots is shown by tracing
// backends as several traces or as broken. So a process that handles such an event
// synthesizes its send span. The span's ID follows from the event's position, so
// that all processes mean the same span without asking each other; two things do
// not follow from it and are kept for that reason: its parent, for which the causing
// event is read, and which process exports it, which a KV bucket decides.

const (
	lookupTimeout = 2 * time.Second // for finding a parent and claiming spans
	maxDepth      = 8               // of causes that all came without a span
)

// sendSpan returns the send span of a stored event, which it synthesizes if the
// publisher named none.
func (t *tracer) sendSpan(ctx context.Context, s streams.Stored, depth int) trace.SpanContext {
	sc, foreign := publisherSpan(s)
	if sc.IsValid() {
		return sc
	}
	id := propagation.SpanID(propagation.TraceID(s.CorrelationID), SendSeed(s.Ref))
	if sc, ok := t.synthesized.Get(id); ok {
		return sc
	}
	parent := trace.SpanContext{}
	if s.CorrelationID != propagation.ImpliedCorrelation(s.Ref, s.At) {
		parent = t.findParent(ctx, s, true, depth)
	}
	kind := trace.SpanKindProducer
	if stream, _ := streams.For(s.Subject); stream.NoAck {
		kind = trace.SpanKindClient
	}
	opts := append(linkTo(foreign), trace.WithSpanKind(kind), trace.WithTimestamp(s.At),
		trace.WithAttributes(propagation.SendAttributes(s.Envelope)...), trace.WithAttributes(propagation.MessageIDAttribute(s.Ref)))
	_, span := propagation.StartSpan(propagation.WithCorrelation(trace.ContextWithRemoteSpanContext(ctx, parent), s.CorrelationID),
		t.spans, "send "+event.Template(s.Subject), SendSeed(s.Ref), opts...)
	// A process that loses the claim starts the span too, to know whether it is
	// sampled; a span that does not end is not exported.
	if t.claim(ctx, id, s.Ref.Stream) {
		span.End(trace.WithTimestamp(s.At))
	}
	t.synthesized.Set(id, span.SpanContext())
	t.remember(span.SpanContext())
	return span.SpanContext()
}

// findParent returns the parent of an event's send span: the send span of its cause,
// if it names one, and else the first known span of its conversation. It is invalid
// for an event that begins its conversation.
func (t *tracer) findParent(ctx context.Context, s streams.Stored, search bool, depth int) trace.SpanContext {
	id := propagation.TraceID(s.CorrelationID)
	if cause, ok := s.Causation(); ok && depth < maxDepth {
		var found trace.SpanContext
		t.scan(ctx, cause.Stream, cause.Seq, cause.Seq, func(c streams.Stored) bool {
			if propagation.TraceID(c.CorrelationID) == id {
				found = t.sendSpan(ctx, c, depth+1)
			}
			return false
		})
		if found.IsValid() {
			return found
		}
	}
	if sc, ok := t.known.Get(id); ok {
		return sc
	}
	if search && depth < maxDepth && t.searches.Allow() {
		if first, ok := t.searchFirst(ctx, s); ok {
			return t.sendSpan(ctx, first, depth+1)
		}
	}
	return trace.SpanContext{}
}

// The first event of a conversation that is unknown to this process is searched for
// among the last events of searchStreams.
const (
	searchEvents      = 2000
	searchesPerSecond = 5
)

var searchStreams = []string{streams.Cytube, streams.Plugin}

// searchFirst returns the first event of s's conversation that was stored before s.
func (t *tracer) searchFirst(ctx context.Context, s streams.Stored) (first streams.Stored, ok bool) {
	id := propagation.TraceID(s.CorrelationID)
	for _, name := range searchStreams {
		stream, err := t.js.Stream(ctx, name)
		if err != nil {
			continue
		}
		last := stream.CachedInfo().State.LastSeq
		if s.Ref.Stream == name {
			last = s.Ref.Seq - 1
		}
		t.scan(ctx, name, max(last, searchEvents)-searchEvents+1, last, func(e streams.Stored) bool {
			if !e.At.Before(s.At) || ok && !e.At.Before(first.At) {
				return false
			}
			if propagation.TraceID(e.CorrelationID) == id {
				first, ok = e, true
				return false
			}
			return true
		})
	}
	return first, ok
}

// scan calls f for stored events, malformed ones too, until it returns false. It
// asks no stream's leader, which restricted plugins may not: a missed event costs
// the span its parent and nothing else.
func (t *tracer) scan(ctx context.Context, stream string, from, to uint64, f func(streams.Stored) bool) {
	for from <= to {
		next, err := streams.GetBatch(ctx, t.js, stream, ">", from, to, func(msg *jetstream.RawStreamMsg, _ error) bool {
			s, _ := streams.ReadRaw(stream, msg)
			return f(s)
		})
		if err != nil || next == from {
			return
		}
		from = next
	}
}

// SpanClaims is the KV bucket in which processes claim the export of synthesized
// spans, for as long as claimTTL.
const (
	SpanClaims = streams.SpanClaims
	claimTTL   = time.Hour
)

// claim reports whether this process is to export a span: the first that claims it,
// and every one while that cannot be told, since two are better than none.
func (t *tracer) claim(ctx context.Context, id trace.SpanID, like string) bool {
	kv, err := t.js.KeyValue(ctx, SpanClaims)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = openClaims(ctx, t.js, like)
	}
	if err == nil {
		_, err = kv.Create(ctx, id.String(), nil)
	}
	return !jsapi.IsConflict(err)
}

// OpenSpanClaims creates the bucket SpanClaims for restricted plugins, which may not.
func OpenSpanClaims(ctx context.Context, js jetstream.JetStream) error {
	_, err := openClaims(ctx, js, streams.Plugin)
	return err
}

// openClaims creates the bucket with as many replicas as the stream like has.
func openClaims(ctx context.Context, js jetstream.JetStream, like string) (jetstream.KeyValue, error) {
	return jsapi.OpenBucketLike(ctx, js, like, jetstream.KeyValueConfig{
		Bucket: SpanClaims, Description: "Spans made for publishers that named none", TTL: claimTTL,
	})
}
