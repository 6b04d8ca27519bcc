package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// HeaderRequestID is WithMsgID's header of a request, by which its service
// recognises a repeat. It is not Nats-Msg-Id because the stream that records
// requests would recognise it too: a replicated one answers a repeat, also where
// it does not acknowledge (nats-server 2.15.2), and the requester would take that
// for the service's answer.
const HeaderRequestID = "Rosey-Msg-Id"

// RequestID is the ID by which a service recognises a repeat of a request: its
// HeaderRequestID or, as other clients send it, its Nats-Msg-Id; "" without one.
func RequestID(h nats.Header) string {
	return cmp.Or(h.Get(HeaderRequestID), h.Get(jetstream.MsgIDHeader))
}

// DefaultTimeout is how long a request waits for its reply (contract:
// plugin.{name}.request, Handling NATS Timeouts).
const DefaultTimeout = 5 * time.Second

// Bus publishes events into the streams, makes requests and subscribes. It
// carries the correlation ID, the causing event and the trace from the context
// of whatever is being handled into everything it sends. It is safe for
// concurrent use.
type Bus struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	meta    map[string]any // the source, as metadata
	timeout time.Duration
	tracer  *Tracer
	log     *slog.Logger
	observe Observer
	signer  MessageIDSigner
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

// BusOption changes a setting of NewBus.
type BusOption func(*Bus)

// WithSource sets metadata.source of what the Bus publishes; "rosey" otherwise.
func WithSource(name string) BusOption { return func(b *Bus) { b.meta = sourceMeta(name) } }

func sourceMeta(name string) map[string]any { return map[string]any{event.MetaSource: name} }

// WithTimeout sets how long requests wait for their reply unless Within says
// otherwise; it is DefaultTimeout unless set.
func WithTimeout(d time.Duration) BusOption { return func(b *Bus) { b.timeout = d } }

// WithTracer sets the tracer of the Bus's spans; without it there are none.
func WithTracer(t trace.Tracer) BusOption { return func(b *Bus) { b.tracer = NewTracer(t, b.js) } }

// WithLogger sets the logger of malformed events, retries and lost replies.
func WithLogger(l *slog.Logger) BusOption { return func(b *Bus) { b.log = l } }

// WithMessageIDSigner makes message IDs unpredictable to others. All processes that
// handle the same events must share the signer. The default leaves IDs as they are.
func WithMessageIDSigner(s MessageIDSigner) BusOption { return func(b *Bus) { b.signer = s } }

// WithManager sets the Manager that opens durables and sets timers; the default is
// that of NewManager.
func WithManager(m Manager) BusOption { return func(b *Bus) { b.manager = m } }

// WithObserver sets the Bus's Observer.
func WithObserver(o Observer) BusOption { return func(b *Bus) { b.observe = o } }

// NewBus makes a Bus on a connection. It does not open the streams: see Open.
func NewBus(nc *nats.Conn, js jetstream.JetStream, opts ...BusOption) *Bus {
	b := &Bus{nc: nc, js: js, meta: sourceMeta("rosey"), timeout: DefaultTimeout, tracer: NewTracer(noop.Tracer{}, js),
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

// Conn is the Bus's connection.
func (b *Bus) Conn() *nats.Conn { return b.nc }

// JetStream is the Bus's JetStream context.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// Tracer makes the spans of events, for those who handle them.
func (b *Bus) Tracer() *Tracer { return b.tracer }

// Source is what the Bus writes as metadata.source.
func (b *Bus) Source() string { return b.meta[event.MetaSource].(string) }

// Ack is JetStream's word that an event is stored. Duplicate says that an event
// with the same Nats-Msg-Id was stored before and this one was dropped; Ref is
// then the first one's.
type Ack struct {
	Ref       event.Ref
	Duplicate bool
}

type publishSettings struct {
	at     time.Time
	timer  string
	msgID  string
	ttl    time.Duration
	within time.Duration
	meta   []metadatum
	retry  time.Duration
}

type metadatum struct {
	key   string
	value any
}

// PublishOption changes how one event is published or one request is made.
type PublishOption func(*publishSettings)

// WithMsgID sets the Nats-Msg-Id: within DuplicateWindow, only the first event
// of a stream with a given ID is stored. A request gets a HeaderRequestID. Both are
// signed by the Bus's MessageIDSigner.
func WithMsgID(id string) PublishOption { return func(s *publishSettings) { s.msgID = id } }

// WithMeta sets a metadata entry of the event, as event.Envelope.WithMeta does,
// which copies all of them.
func WithMeta(key string, value any) PublishOption {
	return func(s *publishSettings) { s.meta = append(s.meta, metadatum{key, value}) }
}

// WithTTL makes the stored event disappear after d, which is rounded up to
// whole seconds.
func WithTTL(d time.Duration) PublishOption { return func(s *publishSettings) { s.ttl = d } }

// At schedules an event of plugin.{name}.event.{type} to be stored at t and not now,
// with a resolution of a second. JetStream keeps the schedule under the timer's
// name and stores the event itself, so a timer outlives every process. One plugin
// has one timer of a name: publishing again replaces it. See CancelTimer. A time
// that lies further ahead than the stream keeps what is waiting in it is refused
// with INVALID_INPUT.
func At(t time.Time, timer string) PublishOption {
	return func(s *publishSettings) { s.at, s.timer = t, timer }
}

// Within sets how long a request waits for its reply. A deadline of the
// request's context that comes sooner still holds.
func Within(d time.Duration) PublishOption { return func(s *publishSettings) { s.within = d } }

// Publish stores an event and returns after JetStream acknowledged it. Missing
// envelope fields are filled in: timestamp, source, and from the context the
// correlation ID and the causing event; without a correlation ID in either, the
// event gets a new one. An event that breaks the contract, whose subject is one
// for requests, whose correlation ID is longer than event.MaxCorrelationID, or that
// is larger than the server takes, is refused with an INVALID_INPUT error; a failure
// to store is a NATS_ERROR, after which the event may or may not be stored.
func (b *Bus) Publish(ctx context.Context, e event.Envelope, opts ...PublishOption) (Ack, error) {
	if err := e.Validate(); err != nil {
		return Ack{}, err
	}
	stream, ok := For(e.Subject)
	if !ok || stream.NoAck {
		return Ack{}, event.Errorf(event.InvalidInput, "%s is a subject for requests: use Request, which waits for the reply", e.Subject)
	}
	var s publishSettings
	for _, o := range opts {
		o(&s)
	}
	e = b.complete(ctx, e, s.meta)
	ctx, span := b.tracer.send(ctx, e, trace.SpanKindProducer)
	defer span.End()
	msg, err := b.message(ctx, e, jetstream.MsgIDHeader, s.msgID)
	if err != nil {
		return Ack{}, fail(span, err)
	}
	var ack jetstream.PubAck
	err = b.retry(ctx, e.Subject, s.retry, func() (err error) {
		started := time.Now()
		ack, err = b.store(ctx, stream.Name, msg, s)
		err = WrapFull(err)
		switch {
		case err == nil:
		case isTooLarge(err):
			err = fmt.Errorf("store %w: %w", oversized(e.Subject, len(msg.Data), b.nc.MaxPayload()), err)
		default:
			err = event.Errorf(cmp.Or(event.CodeOf(err), event.NATSError), "store %s: %w", e.Subject, err)
		}
		b.observe.Sent(ctx, e.Subject, time.Since(started), err)
		return err
	})
	if err != nil {
		return Ack{}, fail(span, err)
	}
	if ack.Duplicate {
		b.observe.DuplicateDropped(ctx, e.Subject)
		span.SetAttributes(attribute.Bool("rosey.duplicate", true))
	}
	stored := Ack{Ref: event.Ref{Stream: ack.Stream, Seq: ack.Sequence}, Duplicate: ack.Duplicate}
	if span.IsRecording() {
		span.SetAttributes(MessageID(stored.Ref))
	}
	return stored, nil
}

// around is more than what Publish puts around an event's own fields, in bytes.
const around = 1 << 10

// Fits returns the INVALID_INPUT error that Publish would, or nil, for an event that
// is larger than the server takes or has too long a correlation ID, so that one can
// know before anything is published.
func (b *Bus) Fits(e event.Envelope) error {
	if err := event.CheckCorrelation(e.CorrelationID); err != nil {
		return fmt.Errorf("%s: %w", e.Subject, err)
	}
	limit := b.nc.MaxPayload()
	if int64(len(e.Data)) < limit/2 {
		return nil
	}
	body, err := e.MarshalJSON()
	if err == nil && int64(len(body))+around > limit {
		err = oversized(e.Subject, len(body), limit)
	}
	return err
}

func oversized(subject string, size int, limit int64) error {
	return event.Errorf(event.InvalidInput, "%s: its %d bytes and headers are more than the server takes, whose max_payload is %d", subject, size, limit)
}

// store has JetStream store a message, now or when it is to be.
func (b *Bus) store(ctx context.Context, stream string, msg *nats.Msg, s publishSettings) (jetstream.PubAck, error) {
	if s.timer != "" {
		return b.manager.SetTimer(ctx, msg, s.timer, s.at)
	}
	if s.ttl == 0 {
		return Put(ctx, b.js, stream, msg)
	}
	ack, err := b.js.PublishMsg(ctx, msg, jetstream.WithMsgTTL((s.ttl + time.Second - 1).Truncate(time.Second)))
	if err != nil {
		return jetstream.PubAck{}, err
	}
	return *ack, nil
}

// CancelTimer drops a plugin's timer of that name, if it has not fired.
func (b *Bus) CancelTimer(ctx context.Context, plugin, timer string) error {
	return b.manager.CancelTimer(ctx, plugin, timer)
}

// Durable opens a durable consumer, and creates it or updates its settings, but
// never makes one that exists start over: the start in want is that of a new one.
// A paused consumer stays paused.
func (b *Bus) Durable(ctx context.Context, stream string, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	return b.manager.OpenConsumer(ctx, stream, want)
}

// WithRetry repeats, for at most d, a publish or request that NATS or the service
// does not answer, and without limit one that is refused for lack of capacity. It
// needs WithMsgID, by which a repeat is recognised. It has no effect on a request
// with Within, whose caller waits no longer than that.
func WithRetry(d time.Duration) PublishOption { return func(s *publishSettings) { s.retry = d } }

// retry calls do again while that may help, for at most d or until the context ends.
func (b *Bus) retry(ctx context.Context, subject string, d time.Duration, do func() error) error {
	started := time.Now()
	again := func(err error) bool {
		return isFull(err) || Repeatable(err) && time.Since(started) < d && !b.nc.IsClosed()
	}
	first := do()
	if first == nil || d == 0 || !again(first) {
		return first
	}
	policy := retry.Policy{If: again, Logger: b.log.With("subject", subject, "source", b.Source()), Operation: "publish"}
	return retry.Do(ctx, policy, func(context.Context) error {
		if err := first; err != nil {
			first = nil
			return err
		}
		return do()
	})
}

// Request asks a service and returns the reply's body. The request is stored as
// well, in a stream that does not acknowledge. Errors are contract errors:
// TIMEOUT when no reply came in time, NATS_ERROR when NATS failed, INVALID_INPUT when
// the payload breaks the contract, or it or the correlation ID is too large,
// and otherwise the failure that the reply itself reports.
func (b *Bus) Request(ctx context.Context, subject string, payload any, opts ...PublishOption) (json.RawMessage, error) {
	e, err := event.New(subject, payload)
	if err != nil {
		return nil, err
	}
	if stream, ok := For(subject); !ok || !stream.NoAck {
		return nil, event.Errorf(event.InvalidInput, "%s does not take requests: use Publish", subject)
	}
	var s publishSettings
	for _, o := range opts {
		o(&s)
	}
	if s.within > 0 {
		s.retry = 0
	}
	e = b.complete(ctx, e, s.meta)
	ctx, span := b.tracer.send(ctx, e, trace.SpanKindClient)
	defer span.End()
	msg, err := b.message(ctx, e, HeaderRequestID, s.msgID)
	if err != nil {
		return nil, fail(span, err)
	}
	var reply *nats.Msg
	err = b.retry(ctx, subject, s.retry, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.within, b.timeout))
		defer cancel()
		started := time.Now()
		reply, err = b.nc.RequestMsgWithContext(ctx, msg)
		took := time.Since(started)
		if isTooLarge(err) {
			err = fmt.Errorf("request %w", oversized(subject, len(msg.Data), b.nc.MaxPayload()))
		} else {
			err = requestError(subject, took, reply, err)
		}
		b.observe.Requested(ctx, subject, took, err)
		return err
	})
	if err != nil {
		return nil, fail(span, err)
	}
	return reply.Data, nil
}

func requestError(subject string, took time.Duration, reply *nats.Msg, err error) error {
	switch {
	case err == nil:
		return event.ReplyError(reply.Data)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		// The stream that records requests listens too, so a missing service
		// looks like a slow one.
		return event.Errorf(event.Timeout, "%s was not answered within %s: is its service running?", subject, took.Round(time.Millisecond))
	case errors.Is(err, nats.ErrNoResponders):
		return event.Errorf(event.NATSError, "nothing answers %s: is the bot or the plugin running?", subject)
	default:
		return event.Errorf(event.NATSError, "request %s: %w", subject, err)
	}
}

func (b *Bus) complete(ctx context.Context, e event.Envelope, more []metadatum) event.Envelope {
	if e.Timestamp.IsZero() {
		e.Timestamp = time.Now()
	}
	for _, m := range more {
		e = e.WithMeta(m.key, m.value)
	}
	return propagation.Fill(ctx, e, b.meta)
}

func (b *Bus) message(ctx context.Context, e event.Envelope, idHeader, id string) (*nats.Msg, error) {
	if err := event.CheckCorrelation(e.CorrelationID); err != nil {
		return nil, fmt.Errorf("%s: %w", e.Subject, err)
	}
	body, err := e.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.Subject, err)
	}
	msg := &nats.Msg{Subject: e.Subject, Data: body, Header: nats.Header{}}
	if id != "" {
		msg.Header[idHeader] = []string{b.signer.sign(id)}
	}
	propagation.Inject(propagation.WithCorrelation(ctx, e.CorrelationID), msg.Header)
	return msg, nil
}

// fail marks a span as failed and returns the error.
func fail(span trace.Span, err error) error { return Fail(span, err, "_OTHER") }
