package streams

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Ack is JetStream's acknowledgement that an event is stored. Duplicate says that
// one with the same Nats-Msg-Id was stored before and this one was dropped; Ref is
// then the first one's.
type Ack struct {
	Ref       event.Ref
	Duplicate bool
}

// PublishParams is the effect of publish options. Those who stand in for a Bus get
// it from ResolveOptions.
type PublishParams struct {
	MsgID   string         // WithMsgID
	Earlier time.Time      // WithEarlier
	Meta    map[string]any // WithMeta
	TTL     time.Duration  // WithTTL
	Timer   string         // At
	At      time.Time      // At
	Within  time.Duration  // Within
	Retry   time.Duration  // WithRetry
}

// PublishOption changes how one event is published or one request is made.
type PublishOption func(*PublishParams)

// ResolveOptions returns the effect of publish options.
func ResolveOptions(opts ...PublishOption) (p PublishParams) {
	for _, o := range opts {
		o(&p)
	}
	return p
}

// WithEarlier lets the service of a request with an ID find an earlier one with the same ID,
// made since a point in time, also beyond the duplicate window.
func WithEarlier(since time.Time) PublishOption { return func(p *PublishParams) { p.Earlier = since } }

// WithMsgID sets the Nats-Msg-Id: within DuplicateWindow, only the first event
// of a stream with a given ID is stored. A request gets a HeaderRequestID. Both are
// signed by the Bus's msgid.Signer.
func WithMsgID(id string) PublishOption { return func(p *PublishParams) { p.MsgID = id } }

// WithMeta sets a metadata entry of the event.
func WithMeta(key string, value any) PublishOption {
	return func(p *PublishParams) {
		if p.Meta == nil {
			p.Meta = map[string]any{}
		}
		p.Meta[key] = value
	}
}

// WithTTL makes the stored event expire after d, which is rounded up to whole seconds. Its
// stream must have Spec.TTL.
func WithTTL(d time.Duration) PublishOption { return func(p *PublishParams) { p.TTL = d } }

// At schedules an event of plugin.{name}.event.{type} to be stored at t and not now,
// with a resolution of a second. JetStream keeps the schedule under the timer's
// name and stores the event itself, so a timer outlives every process. One plugin
// has one timer of a name: publishing again replaces it. See CancelTimer. A time
// beyond the max_age of the stream of schedules is refused with INVALID_INPUT.
func At(t time.Time, timer string) PublishOption {
	return func(p *PublishParams) { p.At, p.Timer = t, timer }
}

// Within sets how long a request waits for its reply. A deadline of the
// request's context that comes sooner still holds.
func Within(d time.Duration) PublishOption { return func(p *PublishParams) { p.Within = d } }

// WithRetry repeats, for at most d, a publish or request that NATS or the service
// does not answer, and without limit one that is refused for lack of capacity. It
// needs WithMsgID, by which a repeat is recognised. It has no effect on a request
// with Within, whose caller waits no longer than that.
func WithRetry(d time.Duration) PublishOption { return func(p *PublishParams) { p.Retry = d } }

// Publish stores an event and returns after JetStream acknowledged it. Missing
// envelope fields are filled in: timestamp, source, and from the context the
// correlation ID and the causing event; without a correlation ID in either, the
// event gets a new one. An event that breaks the contract, whose subject is one
// for requests, whose correlation ID is longer than event.MaxCorrelationID, or that
// is larger than the server takes, is refused with an INVALID_INPUT error; a failure
// to store is a NATS_ERROR, after which the event may or may not be stored. The
// error wraps jsapi.ErrFull when JetStream has no capacity for it.
func (b *Bus) Publish(ctx context.Context, e event.Envelope, opts ...PublishOption) (Ack, error) {
	if err := e.Validate(); err != nil {
		return Ack{}, err
	}
	stream, ok := For(e.Subject)
	if !ok || stream.NoAck {
		return Ack{}, event.Errorf(event.InvalidInput, "%s is a subject for requests: use Request, which waits for the reply", e.Subject)
	}
	p := ResolveOptions(opts...)
	span, msg, err := b.message(ctx, e, p, jetstream.MsgIDHeader, trace.SpanKindProducer)
	defer span.End()
	if err != nil {
		return Ack{}, fail(span, err)
	}
	var ack jetstream.PubAck
	err = b.retry(ctx, "publish", e.Subject, p.Retry, func() (err error) {
		started := time.Now()
		ack, err = b.store(ctx, stream.Name, msg, p)
		err = jsapi.WrapFull(err)
		switch {
		case err == nil:
		case jsapi.IsOverMaxMsgSize(err):
			err = event.Errorf(event.InvalidInput, "store %s: stream %s has a max_msg_size that its %d bytes and headers exceed, which somebody must have set: %w",
				e.Subject, stream.Name, len(msg.Data), err)
		case jsapi.IsTooLarge(err):
			err = fmt.Errorf("store %w: %w", b.oversized(e.Subject, len(msg.Data)), err)
		default:
			err = event.Errorf(cmp.Or(event.CodeOf(err), event.NATSError), "store %s: %w", e.Subject, err)
		}
		b.observe.Sent(ctx, e.Subject, time.Since(started), err)
		return err
	})
	if err != nil {
		return Ack{}, fail(span, err)
	}
	stored := Ack{Ref: event.Ref{Stream: ack.Stream, Seq: ack.Sequence}, Duplicate: ack.Duplicate}
	if ack.Duplicate {
		b.observe.DuplicateDropped(ctx, e.Subject)
		span.SetAttributes(attribute.Bool("rosey.duplicate", true))
	}
	if span.IsRecording() {
		span.SetAttributes(propagation.MessageIDAttribute(stored.Ref))
	}
	return stored, nil
}

// store stores a message now, or sets the timer that does.
func (b *Bus) store(ctx context.Context, stream string, msg *nats.Msg, p PublishParams) (jetstream.PubAck, error) {
	switch {
	case p.Timer != "":
		return b.manager.SetTimer(ctx, msg, p.Timer, p.At)
	case p.TTL == 0:
		return jsapi.PublishMsg(ctx, b.js, stream, msg)
	}
	ack, err := b.js.PublishMsg(ctx, msg, jetstream.WithMsgTTL((p.TTL + time.Second - 1).Truncate(time.Second)))
	if err != nil {
		return jetstream.PubAck{}, err
	}
	return *ack, nil
}

// message completes an event, starts the span that sends it, and encodes it.
func (b *Bus) message(ctx context.Context, e event.Envelope, p PublishParams, idHeader string, kind trace.SpanKind) (trace.Span, *nats.Msg, error) {
	if e.Timestamp.IsZero() {
		e.Timestamp = time.Now()
	}
	if len(p.Meta) > 0 {
		meta := make(map[string]any, len(p.Meta)+len(e.Metadata))
		maps.Copy(meta, e.Metadata)
		maps.Copy(meta, p.Meta)
		e.Metadata = meta
	}
	e = propagation.Fill(ctx, e, b.meta)
	ctx, span := b.tracer.Send(ctx, e, kind)
	if err := event.CheckCorrelation(e.CorrelationID); err != nil {
		return span, nil, fmt.Errorf("%s: %w", e.Subject, err)
	}
	body, err := e.MarshalJSON()
	if err != nil {
		return span, nil, fmt.Errorf("encode %s: %w", e.Subject, err)
	}
	msg := &nats.Msg{Subject: e.Subject, Data: body, Header: nats.Header{}}
	if p.MsgID != "" {
		msg.Header[idHeader] = []string{b.signer.Sign(p.MsgID)}
		if idHeader == HeaderRequestID && !p.Earlier.IsZero() {
			msg.Header[HeaderEarlier] = []string{p.Earlier.UTC().Format(time.RFC3339Nano)}
		}
	}
	propagation.Inject(ctx, msg.Header)
	return span, msg, nil
}

// unlimitTime is how long a Maintainer may take to remove a limit that somebody set.
const unlimitTime = 5 * time.Second

// retry calls do again while that may help, for at most d or until the context ends.
func (b *Bus) retry(ctx context.Context, operation, subject string, d time.Duration, do func() error) error {
	if d == 0 {
		return do()
	}
	started := time.Now()
	again := func(err error) bool {
		took := time.Since(started)
		return jsapi.IsFull(err) || jsapi.IsRetryable(err) && took < d && !b.nc.IsClosed() || jsapi.IsOverMaxMsgSize(err) && took < min(d, unlimitTime)
	}
	policy := retry.Policy{If: again, Logger: b.log, Operation: operation, Attrs: []any{"subject", subject, "source", b.Source()}}
	return retry.Do(ctx, policy, func(context.Context) error { return do() })
}

// CheckLimits returns the INVALID_INPUT error that Publish would, or nil, for an event that
// is larger than the server takes or has too long a correlation ID. With it a caller
// can refuse several events before it publishes the first.
func (b *Bus) CheckLimits(e event.Envelope) error {
	if err := event.CheckCorrelation(e.CorrelationID); err != nil {
		return fmt.Errorf("%s: %w", e.Subject, err)
	}
	const overhead = 1 << 10 // more than what Publish adds, in bytes
	limit := b.nc.MaxPayload()
	if int64(len(e.Data)) < limit/2 {
		return nil
	}
	body, err := e.MarshalJSON()
	if err == nil && int64(len(body))+overhead > limit {
		err = b.oversized(e.Subject, len(body))
	}
	return err
}

func (b *Bus) oversized(subject string, size int) error {
	return event.Errorf(event.InvalidInput, "%s: its %d bytes and headers are more than the server takes, whose max_payload is %d", subject, size, b.nc.MaxPayload())
}

// fail marks a span as failed and returns the error.
func fail(span trace.Span, err error) error { return propagation.RecordError(span, err, "_OTHER") }
