package spans

import (
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/tracing"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// senderDurable is the consumer of sends of a bot with one channel. In stores of earlier
// releases, with several channels, it forwarded a send to the consumer of the channel,
// whose name has the channel's after a hyphen.
const senderDurable = "cytube-sender"

// Values of the attribute rosey.outcome, besides those of the events' types.
const (
	handled = "handled"
	retried = "retried" // the attempt failed and was not the last
)

// rebuilt marks a span that was not recorded live.
var rebuilt = attribute.Bool("rosey.rebuilt", true)

// A builder makes the spans of one conversation: a send span for each event and a
// process span for each delivery.
type builder struct {
	tracer     trace.Tracer
	traceID    trace.TraceID
	traced     bool // whether any part of it was traced live
	nodes      []*replay.Node
	sends      map[*replay.Node]trace.SpanID
	used       map[trace.SpanID]bool
	deliveries []*delivery
	byKey      map[deliveryKey]*delivery
	answers    map[trace.SpanID]*delivery // by the ID of the span that answered a request
}

// A delivery is one attempt of a consumer to handle an event, or the answering of a
// request.
type delivery struct {
	deliveryKey
	cause   *replay.Node
	answer  trace.SpanID // the ID of its span, if it answered a request
	outputs []*replay.Node
	outcome string
	failure *event.Error
}

type deliveryKey struct {
	event    event.Ref
	consumer string
	attempt  int
}

func newBuilder(c *replay.Conversation, tracer trace.Tracer) *builder {
	b := &builder{tracer: tracer, traceID: propagation.TraceID(c.ID), sends: map[*replay.Node]trace.SpanID{}, used: map[trace.SpanID]bool{},
		byKey: map[deliveryKey]*delivery{}, answers: map[trace.SpanID]*delivery{}}
	for _, e := range c.Events {
		b.traced = b.traced || b.named(e.Header).IsValid()
	}
	roots := c.Tree()
	for _, n := range replay.Walk(roots) {
		b.nodes = append(b.nodes, n)
		b.sends[n] = b.sendID(n)
		b.addOutput(n)
	}
	for _, n := range roots {
		b.addAnswer(n) // a request may be stored after its effects
	}
	b.addFailedAttempts()
	return b
}

// addOutput adds an event to the delivery that published it.
func (b *builder) addOutput(n *replay.Node) {
	key, cause, ok := b.publishedBy(n)
	if !ok {
		return
	}
	d := b.delivery(key, cause, handled)
	d.outputs = append(d.outputs, n)
	switch code, result := n.Meta(event.MetaErrorCode), n.Meta(event.MetaResult); {
	case result != "":
		d.outcome = result
	case code != "":
		d.failure = event.Errorf(event.Code(code), "%s", n.Text)
	case event.Match(event.EventSubject("*", event.TypeDeadLetter), n.Subject):
		if l, err := event.As[event.DeadLetter](n.Envelope); err == nil {
			d.outcome, d.failure = event.TypeDeadLetter, event.Errorf(l.Code, "%s", l.Error)
		}
	case event.Match(event.EventSubject("*", event.TypeDenied), n.Subject):
		if denied, err := event.As[event.Denied](n.Envelope); err == nil {
			d.failure = event.Errorf(denied.Code, "%s", denied.Error)
		}
	case event.Match(event.EventSubject("*", event.TypeExpired), n.Subject):
		d.outcome = event.TypeExpired
	}
}

// publishedBy returns the delivery of its cause that published an event: a consumer
// names itself as the source, and an echo is recorded by the sender, whose consumer it
// names. An event without a span in a conversation that
// was traced comes from a publisher that is not traced: its work has no span, and the
// event's parent is its cause (see streams.Tracer).
func (b *builder) publishedBy(n *replay.Node) (key deliveryKey, cause *replay.Node, ok bool) {
	if cause = n.Parent; cause == nil {
		return key, nil, false
	}
	key = deliveryKey{cause.Ref, n.Meta(event.MetaSource), n.Attempt}
	switch {
	case key.consumer == "" || n.Meta(event.MetaRetryFor) != "":
		return key, cause, false // published by a person
	case b.traced && !b.named(n.Header).IsValid():
		return key, cause, false
	case event.Match(event.AllSends, cause.Subject) && event.Match(event.AllCytube, n.Subject) && n.Subject != event.SubjectDelivery:
		if key.consumer = n.Meta(event.MetaConsumer); key.consumer != "" {
			break
		}
		key.consumer = senderDurable // of an earlier release, as are outboxes on the way
		forwarded := slices.IndexFunc(cause.Children, func(c *replay.Node) bool { return event.Match(event.AllOutboxes, c.Subject) })
		if forwarded >= 0 {
			cause = cause.Children[forwarded]
			key.event, key.consumer = cause.Ref, senderDurable+strings.Replace(cause.Subject, event.OutboxSubject(""), "-", 1)
		}
	case event.Match(event.EventSubject("*", event.TypeDeadLetter), n.Subject):
		if l, err := event.As[event.DeadLetter](n.Envelope); err == nil {
			key.attempt = max(l.Attempts, 1)
		}
	}
	return key, cause, true
}

// delivery returns the delivery with a key, which it adds if it is new.
func (b *builder) delivery(key deliveryKey, cause *replay.Node, outcome string) *delivery {
	d := b.byKey[key]
	if d == nil {
		d = &delivery{deliveryKey: key, cause: cause, outcome: outcome}
		b.byKey[key] = d
		b.deliveries = append(b.deliveries, d)
	}
	return d
}

// addAnswer adds an event to the answering of the request that it was published in. It
// names the span of the answer as metadata.parent_span, and no event as its cause.
func (b *builder) addAnswer(n *replay.Node) {
	within := parentSpan(n)
	if !within.IsValid() {
		return
	}
	for _, request := range b.nodes {
		if stream, ok := streams.For(request.Subject); !ok || !stream.NoAck || propagation.SpanID(b.traceID, tracing.AnswerSeed(b.sends[request])) != within {
			continue
		}
		d := b.answers[within]
		if d == nil {
			d = &delivery{cause: request, answer: within}
			b.answers[within] = d
			b.deliveries = append(b.deliveries, d)
		}
		d.outputs = append(d.outputs, n)
		return
	}
}

// addFailedAttempts adds the attempts before one that published something: those
// failed, or there would have been no other.
func (b *builder) addFailedAttempts() {
	for _, d := range slices.Clone(b.deliveries) {
		for attempt := 1; attempt < d.attempt; attempt++ {
			failed := b.delivery(deliveryKey{d.event, d.consumer, attempt}, d.cause, retried)
			if failed.outcome == retried && failed.failure == nil {
				failed.failure = event.Errorf(event.PluginError, "the streams do not say why; see the log of then")
			}
		}
	}
}

// named returns the span of the conversation that an event's headers name, if any.
func (b *builder) named(h nats.Header) trace.SpanID {
	sc := propagation.RemoteSpan(h)
	if sc.TraceID() != b.traceID {
		return trace.SpanID{}
	}
	return sc.SpanID()
}

// sendID returns the ID of the span that published an event. Without a tracer there
// was no such span, and the ID follows from the event.
func (b *builder) sendID(n *replay.Node) trace.SpanID {
	id := b.named(n.Header)
	// A publisher without a tracer hands on the span of its caller.
	if !id.IsValid() || b.used[id] {
		id = propagation.SpanID(b.traceID, tracing.SendSeed(n.Ref))
	}
	b.used[id] = true
	return id
}

func (b *builder) processID(key deliveryKey) trace.SpanID {
	return propagation.SpanID(b.traceID, tracing.ProcessSeed(key.consumer, key.event, key.attempt))
}

// parentSpan returns the span that an event says it was published in, if it does.
func parentSpan(n *replay.Node) trace.SpanID {
	id, _ := trace.SpanIDFromHex(n.Meta(event.MetaParentSpan))
	return id
}

// parent returns the span in which an event was published: the work of the consumer
// that published it, else its cause's send span, else that of the conversation's first
// event, so that a trace has one root.
func (b *builder) parent(n *replay.Node) trace.SpanID {
	if n.Parent == nil {
		if within := parentSpan(n); b.answers[within] != nil {
			return within
		}
		if n == b.nodes[0] {
			return trace.SpanID{}
		}
		return b.sends[b.nodes[0]]
	}
	if key, _, ok := b.publishedBy(n); ok {
		return b.processID(key)
	}
	return b.sends[n.Parent]
}
