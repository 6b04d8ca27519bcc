package streams

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/msgid"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// DefaultTimeout is how long a request waits for its reply (contract:
// plugin.{name}.request, Handling NATS Timeouts).
const DefaultTimeout = 5 * time.Second

// Bus publishes events into the streams, makes requests and subscribes. What it
// sends carries on the correlation ID, the causing event and the trace of the
// context. It is safe for concurrent use.
type Bus struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	meta    map[string]any // the source, as metadata
	timeout time.Duration
	tracer  Tracer
	log     *slog.Logger
	observe Observer
	signer  msgid.Signer
	manager Manager
}

// Observer is called after a Bus did something, for metrics.
type Observer interface {
	// Sent is called after an event was stored or could not be.
	Sent(ctx context.Context, subject string, took time.Duration, err error)
	// Requested is called after a request was answered or failed.
	Requested(ctx context.Context, subject string, took time.Duration, err error)
	// DuplicateDropped is called after an event that the stream held already.
	DuplicateDropped(ctx context.Context, subject string)
}

// NoObserver is an Observer that does nothing.
type NoObserver struct{}

// Sent implements Observer.
func (NoObserver) Sent(context.Context, string, time.Duration, error) {}

// Requested implements Observer.
func (NoObserver) Requested(context.Context, string, time.Duration, error) {}

// DuplicateDropped implements Observer.
func (NoObserver) DuplicateDropped(context.Context, string) {}

// A Tracer makes the spans of events; streams/tracing has one.
type Tracer interface {
	// Send starts the span of publishing an event, or with SpanKindClient of a request.
	Send(ctx context.Context, e event.Envelope, kind trace.SpanKind) (context.Context, trace.Span)
	// Delivery starts the span that handles an event which was delivered to a durable
	// consumer, and returns the context to handle it in (see ContextWithEvent).
	Delivery(ctx context.Context, s Stored, durable string) (context.Context, trace.Span)
	// Answer is Delivery for a request, which has no position in a stream.
	Answer(ctx context.Context, s Stored) (context.Context, trace.Span)
}

// NoTracer is a Tracer that makes no spans: the remote parent of an event becomes that
// of whatever its handler publishes.
type NoTracer struct{}

// Send implements Tracer.
func (NoTracer) Send(ctx context.Context, e event.Envelope, _ trace.SpanKind) (context.Context, trace.Span) {
	return propagation.WithCorrelation(ctx, e.CorrelationID), trace.SpanFromContext(ctx)
}

// Delivery implements Tracer.
func (NoTracer) Delivery(ctx context.Context, s Stored, _ string) (context.Context, trace.Span) {
	ctx = ContextWithEvent(ctx, s)
	return ctx, trace.SpanFromContext(ctx)
}

// Answer implements Tracer. A request without a correlation ID begins a conversation.
func (t NoTracer) Answer(ctx context.Context, s Stored) (context.Context, trace.Span) {
	if s.CorrelationID == "" {
		s.CorrelationID = event.NewCorrelationID()
	}
	return t.Delivery(ctx, s, "")
}

// BusOption changes a setting of NewBus.
type BusOption func(*Bus)

// WithSource sets metadata.source of what the Bus publishes; "rosey" otherwise.
func WithSource(name string) BusOption { return func(b *Bus) { b.meta = sourceMeta(name) } }

func sourceMeta(name string) map[string]any { return map[string]any{event.MetaSource: name} }

// WithTimeout sets how long requests wait for their reply unless Within says
// otherwise; it is DefaultTimeout unless set.
func WithTimeout(d time.Duration) BusOption { return func(b *Bus) { b.timeout = d } }

// WithTracer sets the Tracer of the Bus's spans; the default is NoTracer.
func WithTracer(t Tracer) BusOption { return func(b *Bus) { b.tracer = t } }

// WithLogger sets the logger of malformed events, retries and lost replies.
func WithLogger(l *slog.Logger) BusOption { return func(b *Bus) { b.log = l } }

// WithMessageIDSigner makes message IDs unpredictable to others. All processes that
// handle the same events must share the signer. The default leaves IDs as they are.
func WithMessageIDSigner(s msgid.Signer) BusOption { return func(b *Bus) { b.signer = s } }

// WithManager sets the Manager that opens durables and sets timers; the default is
// that of NewManager.
func WithManager(m Manager) BusOption { return func(b *Bus) { b.manager = m } }

// WithObserver sets the Bus's Observer.
func WithObserver(o Observer) BusOption { return func(b *Bus) { b.observe = o } }

// NewBus makes a Bus on a connection. It does not open the streams: see Open.
func NewBus(nc *nats.Conn, js jetstream.JetStream, opts ...BusOption) *Bus {
	b := &Bus{nc: nc, js: js, meta: sourceMeta("rosey"), timeout: DefaultTimeout, tracer: NoTracer{},
		log: slog.New(slog.DiscardHandler), observe: NoObserver{}, manager: NewManager(js)}
	for _, o := range opts {
		o(b)
	}
	return b
}

// As returns the same Bus with another source.
func (b *Bus) As(source string) *Bus {
	c := *b
	c.meta = sourceMeta(source)
	return &c
}

// Conn returns the Bus's connection.
func (b *Bus) Conn() *nats.Conn { return b.nc }

// JetStream returns the Bus's JetStream context.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// Tracer returns the Tracer that makes the Bus's spans.
func (b *Bus) Tracer() Tracer { return b.tracer }

// SignedSince returns since when all processes sign message IDs with the present secret,
// zero if they always did: IDs of the outputs of earlier events may differ from those of
// repeats.
func (b *Bus) SignedSince() time.Time {
	if since := b.signer.Since(); !since.IsZero() {
		return since.Add(msgid.FollowMargin)
	}
	return time.Time{}
}

// Source returns what the Bus writes as metadata.source.
func (b *Bus) Source() string { return b.meta[event.MetaSource].(string) }

// CancelTimer drops a plugin's timer of that name, if it has not fired. It leaves a
// timer that was set because of a later event than the cause in ctx, so that a
// redelivery of that cause does not cancel it. Of the timers that were set because of
// that event itself it drops those that Publish acknowledged with a sequence up to own.
func (b *Bus) CancelTimer(ctx context.Context, plugin, timer string, own uint64) error {
	return b.manager.CancelTimer(ctx, plugin, timer, own)
}

// Durable opens a durable consumer, and creates it or updates its settings, but
// never makes one that exists start over: the start in want is that of a new one. One
// that existed and was lost goes on from its checkpoint; see KeepCheckpoints. A paused
// consumer stays paused.
func (b *Bus) Durable(ctx context.Context, stream string, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	return b.manager.OpenConsumer(ctx, stream, want)
}
