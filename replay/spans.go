package replay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

const (
	// exportBatch is how many spans are sent at once.
	exportBatch = 512
	// senderDurable handled a send whose echo is in the stream, or handed it out:
	// then that of the channel, with its name behind a hyphen, said it.
	senderDurable = "cytube-sender"
	// handled is the outcome of a delivery that went well.
	handled = "handled"
	// maxAncestors is how far back before the range a conversation is completed.
	maxAncestors = 1000
)

var scope = instrumentation.Scope{Name: "github.com/rosey-bot/rosey/replay"}

// Exported is what Export sent.
type Exported struct {
	Traces int
	Spans  int
	Before int // spans that were left out, as they had been sent before
}

// Destination is where Export sends spans.
type Destination struct {
	Exporter sdktrace.SpanExporter
	URL      string // by which what was sent there is remembered
	Again    bool   // send what was sent before, too
}

// Export rebuilds the spans of the conversations that a query matches, from the
// streams alone, and sends them. Spans have the IDs of the live ones: a send
// span is named in its event's traceparent, and a process span's ID follows
// from the consumer, the event and the attempt. What was sent to the same
// destination in the last 7 days is not sent again. Deliveries that came to nothing are known by how far their consumer is,
// attempts that failed by a later one, and the answering of a request by what was
// published meanwhile; when they were, and why one failed, is not. What else left
// no event behind cannot be rebuilt: see docs/tracing.md. Events before the range
// are added where a trace would have no root without them.
func Export(ctx context.Context, js jetstream.JetStream, q Query, to Destination, res *resource.Resource) (Exported, error) {
	var done Exported
	if q.Follow {
		return done, event.Errorf(event.InvalidInput, "exporting needs an end: do not follow")
	}
	readers, err := durables(ctx, js)
	if err != nil {
		return done, err
	}
	memory, err := openLedger(ctx, js, to.URL, to.Again)
	if err != nil {
		return done, err
	}
	var batch []sdktrace.ReadOnlySpan
	flush := func() error {
		if err := to.Exporter.ExportSpans(ctx, batch); err != nil {
			return fmt.Errorf("send %d spans: %w", len(batch), err)
		}
		done.Spans += len(batch)
		batch = nil
		return memory.keep(ctx)
	}
	for c, err := range conversations(ctx, js, q, quiet) {
		if err != nil {
			return done, err
		}
		if err := c.complete(ctx, js); err != nil {
			return done, err
		}
		done.Traces++
		spans := c.spans(res, readers)
		unsent, err := memory.unsent(ctx, spans)
		if err != nil {
			return done, err
		}
		done.Before += len(spans) - len(unsent)
		batch = append(batch, unsent...)
		if len(batch) >= exportBatch {
			if err := flush(); err != nil {
				return done, err
			}
		}
	}
	if len(batch) > 0 {
		if err := flush(); err != nil {
			return done, err
		}
	}
	if done.Traces == 0 {
		return done, nothing(ctx, js, q.Filter)
	}
	return done, nil
}

// complete adds the causes that lie before the range, as far as they belong to
// the conversation and are still stored.
func (c *conversation) complete(ctx context.Context, js jetstream.JetStream) error {
	have := map[event.Ref]bool{}
	for _, e := range c.events {
		have[e.Ref] = true
	}
	added := 0
	for i := 0; i < len(c.events); i++ {
		stored, err := c.events[i].Decode()
		cause, ok := stored.Causation()
		if err != nil && stored.Data == nil || !ok || have[cause] || added == maxAncestors {
			continue
		}
		have[cause] = true
		e, err := fetch(ctx, js, cause)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// It has gone by age, or never was.
			continue
		}
		f, _ := e.scan()
		if e.correlation(f) == c.id {
			c.events = append(c.events, e)
			added++
		}
	}
	slices.SortStableFunc(c.events, func(a, b Event) int { return a.At.Compare(b.At) })
	return nil
}

// A process is one delivery of an event to a consumer.
type process struct {
	cause    *node
	consumer string
	attempt  int

	outputs   []*node      // none of a delivery that came to nothing
	answers   trace.SpanID // its own ID, when it answered a request
	waited    time.Duration
	waitKnown bool
	outcome   string       // a value of rosey.outcome
	failure   *event.Error // why it failed, if it did
}

type processKey struct {
	cause    event.Ref
	consumer string
	attempt  int
}

// spans are the conversation's spans, those of an event after its cause's.
func (c *conversation) spans(res *resource.Resource, readers []durable) []sdktrace.ReadOnlySpan {
	b := &spanBuilder{traceID: propagation.TraceID(c.id), res: res,
		sends: map[*node]trace.SpanID{}, used: map[trace.SpanID]bool{}, processes: map[processKey]*process{}, answered: map[trace.SpanID]*process{}}
	var visit func(nodes []*node)
	visit = func(nodes []*node) {
		for _, n := range nodes {
			b.add(n)
			visit(n.children)
		}
	}
	roots := c.tree()
	for _, e := range c.events {
		b.traced = b.traced || b.named(e.Header).IsValid()
	}
	visit(roots)
	for _, n := range roots {
		b.addAnswer(n) // a request may be stored after what came of it
	}
	b.addSilent(readers)
	return b.build()
}

type spanBuilder struct {
	traceID   trace.TraceID
	traced    bool // whether any of it was traced when it happened
	res       *resource.Resource
	order     []*node
	sends     map[*node]trace.SpanID
	used      map[trace.SpanID]bool
	processes map[processKey]*process
	answered  map[trace.SpanID]*process // by the ID of the span that answered a request
	made      []*process
}

func (b *spanBuilder) add(n *node) {
	b.order = append(b.order, n)
	b.sends[n] = b.sendID(n)
	if n.parent == nil {
		return
	}
	key, cause, ok := b.handledBy(n)
	if !ok {
		return
	}
	p := b.delivery(key, cause, handled)
	p.outputs = append(p.outputs, n)
	if waited, ok := seconds(n.Metadata[event.MetaWaited]); ok {
		p.waited, p.waitKnown = waited, true
	}
	switch code := n.Meta(event.MetaErrorCode); {
	case code != "":
		p.failure = event.Errorf(event.Code(code), "%s", n.what)
	case event.Match(event.EventSubject("*", event.TypeDeadLetter), n.Subject):
		if l, err := event.As[event.DeadLetter](n.Envelope); err == nil {
			p.outcome, p.failure = event.TypeDeadLetter, event.Errorf(l.Code, "%s", l.Error)
		}
	case event.Match(event.EventSubject("*", event.TypeDenied), n.Subject):
		if d, err := event.As[event.Denied](n.Envelope); err == nil {
			p.failure = event.Errorf(d.Code, "%s", d.Error)
		}
	case event.Match(event.EventSubject("*", event.TypeExpired), n.Subject):
		p.outcome = event.TypeExpired
	}
}

// handledBy says which delivery of its cause made an event: what a consumer
// publishes names it as the source, and an echo comes of the sender's work, which
// with several channels is a delivery of the reference to the send. Of an event
// without a span, in a conversation that was traced, the publisher was not: its
// work has no span, and the event hangs on its cause (see streams.Tracer).
func (b *spanBuilder) handledBy(n *node) (key processKey, cause *node, ok bool) {
	cause = n.parent
	key = processKey{cause: cause.Ref, consumer: n.Meta(event.MetaSource), attempt: n.attempt}
	switch {
	case key.consumer == "" || n.Meta(event.MetaRetryFor) != "":
		return key, cause, false // put there by a person
	case b.traced && !b.named(n.Header).IsValid():
		return key, cause, false
	case event.Match(event.AllSends, cause.Subject) && event.Match("cytube.*", n.Subject) && n.Subject != event.SubjectDelivery:
		key.consumer = senderDurable
		outbox := slices.IndexFunc(cause.children, func(c *node) bool { return event.Match(event.AllOutboxes, c.Subject) })
		if outbox >= 0 {
			cause = cause.children[outbox]
			key.cause, key.consumer = cause.Ref, senderDurable+strings.Replace(cause.Subject, event.OutboxSubject(""), "-", 1)
		}
	case event.Match(event.EventSubject("*", event.TypeDeadLetter), n.Subject):
		if l, err := event.As[event.DeadLetter](n.Envelope); err == nil {
			key.attempt = max(l.Attempts, 1)
		}
	}
	return key, cause, true
}

// named is the span of the conversation that an event's headers name, if any.
func (b *spanBuilder) named(h nats.Header) trace.SpanID {
	sc := propagation.RemoteSpan(h)
	if sc.TraceID() != b.traceID {
		return trace.SpanID{}
	}
	return sc.SpanID()
}

// sendID is the ID of the span that published an event. Without a tracer there
// was no such span, and the ID follows from the event.
func (b *spanBuilder) sendID(n *node) trace.SpanID {
	id := b.named(n.Header)
	// A publisher without a tracer hands on the span of whoever called it.
	if !id.IsValid() || b.used[id] {
		id = propagation.SpanID(b.traceID, streams.SendSeed(n.Ref))
	}
	b.used[id] = true
	return id
}

func (b *spanBuilder) processID(key processKey) trace.SpanID {
	return propagation.SpanID(b.traceID, streams.ProcessSeed(key.consumer, key.cause, key.attempt))
}

func (b *spanBuilder) build() []sdktrace.ReadOnlySpan {
	var spans []sdktrace.ReadOnlySpan
	for _, n := range b.order {
		spans = append(spans, b.send(n).Snapshot())
	}
	for _, p := range b.made {
		spans = append(spans, b.process(p).Snapshot())
	}
	return spans
}

func (b *spanBuilder) span(name string, id, parent trace.SpanID, kind trace.SpanKind, from, to time.Time) tracetest.SpanStub {
	s := tracetest.SpanStub{
		Name: name, SpanKind: kind, StartTime: from, EndTime: to, Resource: b.res, InstrumentationScope: scope,
		SpanContext: b.context(id),
	}
	if parent.IsValid() {
		s.Parent = b.context(parent)
	}
	return s
}

func (b *spanBuilder) context(id trace.SpanID) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: b.traceID, SpanID: id, TraceFlags: trace.FlagsSampled})
}

func (b *spanBuilder) send(n *node) tracetest.SpanStub {
	from := n.Timestamp
	if from.After(n.At) || n.At.Sub(from) > time.Minute {
		// Made by another clock, or written by hand.
		from = n.At
	}
	kind := trace.SpanKindProducer
	if stream, _ := streams.For(n.Subject); stream.NoAck {
		kind = trace.SpanKindClient
	}
	s := b.span("send "+event.Template(n.Subject), b.sends[n], b.parent(n), kind, from, n.At)
	s.Attributes = append(streams.SendAttributes(n.Envelope), streams.MessageID(n.Ref), rebuilt)
	return s
}

// parent is the span under which an event was sent: the work of the consumer
// that made it, or else its cause's, or else the conversation's first, so that
// a trace has one root.
func (b *spanBuilder) parent(n *node) trace.SpanID {
	if n.parent == nil {
		if within := parentSpan(n); b.answered[within] != nil {
			return within
		}
		if n == b.order[0] {
			return trace.SpanID{}
		}
		return b.sends[b.order[0]]
	}
	if key, _, ok := b.handledBy(n); ok {
		return b.processID(key)
	}
	return b.sends[n.parent]
}

func (b *spanBuilder) process(p *process) tracetest.SpanStub {
	cause := p.cause.Envelope
	from, to := p.cause.At, p.cause.At
	if len(p.outputs) > 0 {
		from = p.outputs[0].Timestamp
	}
	for _, n := range p.outputs {
		if n.Timestamp.Before(from) {
			from = n.Timestamp
		}
		if n.At.After(to) {
			to = n.At
		}
	}
	if p.waitKnown {
		from = p.cause.At.Add(p.waited)
	}
	if from.Before(p.cause.At) || from.After(to) {
		from = p.cause.At
	}
	parent := b.named(p.cause.Header)
	if !parent.IsValid() {
		parent = b.sends[p.cause]
	}
	if p.answers.IsValid() {
		s := b.span("process "+event.Template(cause.Subject), p.answers, parent, trace.SpanKindServer, from, to)
		s.Attributes = append(streams.ProcessAttributes(cause, ""), rebuilt)
		return s
	}
	s := b.span("process "+event.Template(cause.Subject), b.processID(processKey{p.cause.Ref, p.consumer, p.attempt}), parent,
		trace.SpanKindConsumer, from, to)
	s.Attributes = streams.ProcessAttributes(cause, p.consumer)
	if p.waitKnown {
		s.Attributes = append(s.Attributes, streams.DeliveryAttributes(p.cause.Ref, p.attempt, p.waited)...)
	} else {
		s.Attributes = append(s.Attributes, streams.MessageID(p.cause.Ref), attribute.Int("rosey.delivery.attempt", p.attempt))
	}
	if p.failure != nil {
		s.Status = sdktrace.Status{Code: codes.Error, Description: p.failure.Message}
		s.Attributes = append(s.Attributes, attribute.String("error.type", string(p.failure.Code)))
	}
	s.Attributes = append(s.Attributes, attribute.String("rosey.outcome", p.outcome), rebuilt)
	return s
}

// rebuilt says where a span comes from, so that nobody takes it for a live one.
var rebuilt = attribute.Bool("rosey.rebuilt", true)
