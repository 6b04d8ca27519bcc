package streams

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

const (
	adoptTimeout = 2 * time.Second // for all that follows
	adoptDepth   = 8               // causes that all came without a span
)

// adopt is the send span of a stored event: the one that its publisher named, or
// else one that is made in its stead, by one of all who handle the event or what
// it caused.
func (t *Tracer) adopt(ctx context.Context, s Stored, depth int) trace.SpanContext {
	sc, foreign := named(s)
	if sc.IsValid() {
		return sc
	}
	id := propagation.SpanID(propagation.TraceID(s.CorrelationID), SendSeed(s.Ref))
	if sc, ok := t.adopted.Get(id); ok {
		return sc
	}
	parent := trace.SpanContext{}
	if s.CorrelationID != propagation.ImpliedCorrelation(s.Ref, s.At) {
		parent = t.belongs(ctx, s, true, depth)
	}
	kind := trace.SpanKindProducer
	if stream, _ := For(s.Subject); stream.NoAck {
		kind = trace.SpanKindClient
	}
	opts := append(linked(foreign), trace.WithSpanKind(kind), trace.WithTimestamp(s.At),
		trace.WithAttributes(SendAttributes(s.Envelope)...), trace.WithAttributes(MessageID(s.Ref)))
	_, span := propagation.StartSpan(propagation.WithCorrelation(trace.ContextWithRemoteSpanContext(ctx, parent), s.CorrelationID),
		t.spans, "send "+event.Template(s.Subject), SendSeed(s.Ref), opts...)
	// Who loses the claim has begun the span all the same, to know whether it is
	// sampled; a span that does not end is not exported.
	if t.claim(ctx, id, s.Ref.Stream) {
		span.End(trace.WithTimestamp(s.At))
	}
	t.adopted.Set(id, span.SpanContext())
	t.meet(span.SpanContext())
	return span.SpanContext()
}

// SpanClaims is the KV bucket of the spans that were made for others, for as
// long as claimsKept.
const (
	SpanClaims = "traces"
	claimsKept = time.Hour
)

// claim reports whether a span is for this process to make: for the first that
// asks. When that cannot be told the span is rather made twice than never.
func (t *Tracer) claim(ctx context.Context, id trace.SpanID, like string) bool {
	kv, err := t.js.KeyValue(ctx, SpanClaims)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = openClaims(ctx, t.js, like)
	}
	if err == nil {
		_, err = kv.Create(ctx, id.String(), nil)
	}
	return !errors.Is(err, jetstream.ErrKeyExists)
}

// OpenSpanClaims creates the bucket SpanClaims for restricted plugins, which may not.
func OpenSpanClaims(ctx context.Context, js jetstream.JetStream) error {
	_, err := openClaims(ctx, js, Plugin)
	return err
}

func openClaims(ctx context.Context, js jetstream.JetStream, like string) (jetstream.KeyValue, error) {
	return OpenBucketLike(ctx, js, like, jetstream.KeyValueConfig{
		Bucket: SpanClaims, Description: "Spans made for publishers that named none", TTL: claimsKept,
	})
}

// belongs finds the span under which an event belongs that came without one: the
// send span of its cause, if it names one, or else the first that is known of
// its conversation. It is not valid for an event that begins its conversation.
func (t *Tracer) belongs(ctx context.Context, s Stored, search bool, depth int) trace.SpanContext {
	if cause, ok := s.Causation(); ok && depth < adoptDepth {
		if c, ok := t.stored(ctx, cause); ok && propagation.TraceID(c.CorrelationID) == propagation.TraceID(s.CorrelationID) {
			return t.adopt(ctx, c, depth+1)
		}
	}
	if sc, ok := t.known.Get(propagation.TraceID(s.CorrelationID)); ok {
		return sc
	}
	if search && depth < adoptDepth && t.searches.Allow() {
		if first, ok := t.first(ctx, s); ok {
			return t.adopt(ctx, first, depth+1)
		}
	}
	return trace.SpanContext{}
}

// stored reads one event.
func (t *Tracer) stored(ctx context.Context, ref event.Ref) (found Stored, ok bool) {
	for s, err := range t.read(ctx, ref.Stream, ref.Seq, 1) {
		return s, err == nil && s.Ref == ref
	}
	return Stored{}, false
}

// Where the first event of a conversation is looked for that this process has
// not met: among the last events of these streams, and so often at most.
const (
	searchEvents      = 2000
	searchesPerSecond = 5
)

var searchStreams = []string{Cytube, Plugin}

// first finds the first event of the conversation of s that was stored before s.
func (t *Tracer) first(ctx context.Context, s Stored) (found Stored, ok bool) {
	id := propagation.TraceID(s.CorrelationID)
	for _, name := range searchStreams {
		stream, err := t.js.Stream(ctx, name)
		if err != nil {
			continue
		}
		end := stream.CachedInfo().State.LastSeq
		if s.Ref.Stream == name {
			end = s.Ref.Seq - 1
		}
		start := max(end, searchEvents) - searchEvents + 1
		if end == 0 {
			continue
		}
		for e, err := range t.read(ctx, name, start, int(end-start+1)) {
			if err != nil || !e.At.Before(s.At) || e.Ref.Seq > end || ok && !e.At.Before(found.At) {
				break
			}
			if propagation.TraceID(e.CorrelationID) == id {
				found, ok = e, true
				break
			}
		}
	}
	return found, ok
}

// batchSize is the most that the server sends for one direct get.
const batchSize = 1000

// read reads up to n events of a stream, malformed ones too.
func (t *Tracer) read(ctx context.Context, stream string, from uint64, n int) func(func(Stored, error) bool) {
	return func(yield func(Stored, error) bool) {
		for n > 0 {
			batch, err := jetstreamext.GetBatch(ctx, t.js, stream, min(n, batchSize), jetstreamext.GetBatchSeq(from))
			if err != nil {
				yield(Stored{}, err)
				return
			}
			before := n
			for raw, err := range batch {
				if errors.Is(err, jetstreamext.ErrNoMessages) {
					return
				}
				if err != nil {
					yield(Stored{}, err)
					return
				}
				s, _ := ReadRaw(stream, raw)
				from, n = raw.Sequence+1, n-1
				if !yield(s, nil) {
					return
				}
			}
			if n == before {
				return
			}
		}
	}
}
