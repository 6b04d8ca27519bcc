package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/rosey-bot/rosey/event"
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
	seal    Seal
	warden  string // the plugin for which the Warden is asked; "" asks nobody
	room    *room
}

// Observer is told of what a Bus did, for metrics.
type Observer interface {
	// Sent is told how long storing an event took, or why it failed.
	Sent(ctx context.Context, subject string, took time.Duration, err error)
	// Requested is told how long a request waited for its reply, or why it failed.
	Requested(ctx context.Context, subject string, took time.Duration, err error)
	// DuplicateDropped is told of an event that the stream held already.
	DuplicateDropped(ctx context.Context, subject string)
}

type nobody struct{}

func (nobody) Sent(context.Context, string, time.Duration, error)      {}
func (nobody) Requested(context.Context, string, time.Duration, error) {}
func (nobody) DuplicateDropped(context.Context, string)                {}

// BusOption changes a setting of NewBus.
type BusOption func(*Bus)

// WithSource sets metadata.source of what the Bus publishes; "rosey" otherwise.
func WithSource(name string) BusOption { return func(b *Bus) { b.meta = sourced(name) } }

func sourced(name string) map[string]any { return map[string]any{event.MetaSource: name} }

// WithTimeout sets how long requests wait for their reply unless Within says
// otherwise; it is DefaultTimeout unless set.
func WithTimeout(d time.Duration) BusOption { return func(b *Bus) { b.timeout = d } }

// WithTracer sets who makes the Bus's spans; none are made otherwise.
func WithTracer(t trace.Tracer) BusOption { return func(b *Bus) { b.tracer = NewTracer(t, b.js) } }

// WithLogger sets who is told of malformed events and lost replies; nobody is
// otherwise.
func WithLogger(l *slog.Logger) BusOption { return func(b *Bus) { b.log = l } }

// WithSeal sets by what message IDs are kept from being told in advance; by nothing
// otherwise. All who handle the same events must share it.
func WithSeal(s Seal) BusOption { return func(b *Bus) { b.seal = s } }

// WithObserver sets who is told of what the Bus did; nobody is otherwise.
func WithObserver(o Observer) BusOption { return func(b *Bus) { b.observe = o } }

// NewBus makes a Bus on a connection. It does not open the streams: see Open.
func NewBus(nc *nats.Conn, js jetstream.JetStream, opts ...BusOption) *Bus {
	b := &Bus{nc: nc, js: js, meta: sourced("rosey"), timeout: DefaultTimeout, tracer: NewTracer(noop.Tracer{}, js),
		log: slog.New(slog.DiscardHandler), observe: nobody{}, room: &room{}}
	for _, o := range opts {
		o(b)
	}
	return b
}

// As returns the same Bus with another source.
func (b *Bus) As(source string) *Bus {
	c := *b
	c.meta = sourced(source)
	return &c
}

// Conn is the Bus's connection.
func (b *Bus) Conn() *nats.Conn { return b.nc }

// JetStream is the Bus's JetStream context.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// Tracer makes the spans of events, for those who handle them.
func (b *Bus) Tracer() *Tracer { return b.tracer }

// Full returns an error that wraps ErrFull while a stream has refused the latest
// event for it, and nil otherwise. It knows only of what this Bus stores.
func (b *Bus) Full() error { return b.room.problem() }

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
	at       time.Time
	timer    string
	msgID    string
	ttl      time.Duration
	within   time.Duration
	meta     []metadatum
	patience time.Duration
}

type metadatum struct {
	key   string
	value any
}

// PublishOption changes how one event is published or one request is made.
type PublishOption func(*publishSettings)

// WithMsgID sets the Nats-Msg-Id: within DuplicateWindow, only the first event
// of a stream with a given ID is stored. A request gets a HeaderRequestID. Both are
// the ID as the Bus's Seal makes it.
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
	err = b.patiently(ctx, e.Subject, s.patience, func() (err error) {
		started := time.Now()
		ack, err = b.store(ctx, stream.Name, msg, s)
		err = b.room.note(stream.Name, Refusal(err))
		switch {
		case err == nil:
		case tooLarge(err):
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

// tooLarge reports whether err says that a message will never be taken.
func tooLarge(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		code := server.ErrorIdentifier(api.ErrorCode)
		return code == server.JSStreamHeaderExceedsMaximumErr || code == server.JSStreamMessageExceedsMaximumErr
	}
	return errors.Is(err, nats.ErrMaxPayload)
}

// store has JetStream store a message, now or when it is to be.
func (b *Bus) store(ctx context.Context, stream string, msg *nats.Msg, s publishSettings) (jetstream.PubAck, error) {
	if s.timer != "" {
		return b.schedule(ctx, msg, s.timer, s.at)
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
	if b.warden != "" {
		_, err := b.askWarden(ctx, wardenCancel, nats.Header{headerTimer: {timer}}, struct{}{})
		return err
	}
	stream, err := b.js.Stream(ctx, Timer)
	if err != nil {
		return event.Errorf(event.NATSError, "cancel timer %s of %s: %w", timer, plugin, err)
	}
	return dropTimer(ctx, stream, plugin, timer)
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
		s.patience = 0
	}
	e = b.complete(ctx, e, s.meta)
	ctx, span := b.tracer.send(ctx, e, trace.SpanKindClient)
	defer span.End()
	msg, err := b.message(ctx, e, HeaderRequestID, s.msgID)
	if err != nil {
		return nil, fail(span, err)
	}
	var reply *nats.Msg
	err = b.patiently(ctx, subject, s.patience, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.within, b.timeout))
		defer cancel()
		started := time.Now()
		reply, err = b.nc.RequestMsgWithContext(ctx, msg)
		took := time.Since(started)
		if tooLarge(err) {
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
		msg.Header[idHeader] = []string{b.seal.id(id)}
	}
	propagation.Inject(propagation.WithCorrelation(ctx, e.CorrelationID), msg.Header)
	return msg, nil
}

// fail marks a span as failed and returns the error.
func fail(span trace.Span, err error) error { return Fail(span, err, "_OTHER") }
