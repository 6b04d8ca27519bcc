package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/msgid"
)

// HeaderRequestID is WithMsgID's header of a request, by which its service
// recognises a repeat. It is not Nats-Msg-Id because the stream that records
// requests would recognise it too: a replicated one answers a repeat, also where
// it does not acknowledge (nats-server 2.15.2), and the requester would take that
// for the service's answer.
const HeaderRequestID = "Rosey-Msg-Id"

// HeaderEarlier is WithEarlier's header of a request.
const HeaderEarlier = "Rosey-Earlier-Since"

// RequestID returns the ID by which a service recognises a repeat of a request: its
// HeaderRequestID or, as other clients send it, its Nats-Msg-Id; "" without one.
func RequestID(h nats.Header) string {
	return cmp.Or(h.Get(HeaderRequestID), h.Get(jetstream.MsgIDHeader))
}

// An IdempotencyKey identifies a request: a redelivery repeats it under the same key.
type IdempotencyKey struct {
	ID      string    // without its signature; "" if nobody repeats the request
	Earlier time.Time // since when there may have been an earlier one; zero if there was none
}

type idempotencyKey struct{}

// withIdempotencyKey returns a context with the identity of a request that has one.
func withIdempotencyKey(ctx context.Context, header nats.Header) context.Context {
	id := RequestID(header)
	if id == "" {
		return ctx
	}
	of := IdempotencyKey{ID: msgid.Unsigned(id)}
	if since, err := time.Parse(time.RFC3339Nano, header.Get(HeaderEarlier)); err == nil {
		of.Earlier = since
	}
	return context.WithValue(ctx, idempotencyKey{}, of)
}

// IdempotencyKeyOf returns the key of the request that a Responder answers.
func IdempotencyKeyOf(ctx context.Context) IdempotencyKey {
	of, _ := ctx.Value(idempotencyKey{}).(IdempotencyKey)
	return of
}

// Request sends a request to a service and returns the reply's body. The request is
// stored as well, in a stream that does not acknowledge. Errors are contract errors:
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
	p := ResolveOptions(opts...)
	if p.Within > 0 {
		p.Retry = 0
	}
	span, msg, err := b.message(ctx, e, p, HeaderRequestID, trace.SpanKindClient)
	defer span.End()
	if err != nil {
		return nil, fail(span, err)
	}
	var reply *nats.Msg
	err = b.retry(ctx, "request", subject, p.Retry, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(p.Within, b.timeout))
		defer cancel()
		started := time.Now()
		reply, err = b.nc.RequestMsgWithContext(ctx, msg)
		took := time.Since(started)
		if jsapi.IsTooLarge(err) {
			err = fmt.Errorf("request %w", b.oversized(subject, len(msg.Data)))
		} else {
			err = requestError(subject, took, reply, err)
		}
		b.observe.Requested(ctx, subject, took, err)
		return err
	})
	if reply == nil {
		return nil, fail(span, err)
	}
	return reply.Data, fail(span, err)
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
