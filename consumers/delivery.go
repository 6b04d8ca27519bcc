package consumers

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// delivery is the state of one delivery that the middleware shares through the
// context.
type delivery struct {
	Outcome
	msg       jetstream.Msg
	malformed error // why the event could not be decoded
	filler    bool  // see streams.IsFiller
	overlap   func()
}

type deliveryKey struct{}

// receive decodes a message and attaches its delivery to ctx.
func receive(ctx context.Context, msg jetstream.Msg, durable string) (context.Context, streams.Stored) {
	d, err := streams.Read(msg)
	return context.WithValue(ctx, deliveryKey{}, &delivery{
		Outcome: Outcome{Consumer: durable, Subject: d.Subject, Result: Handled, Attempt: d.Attempt},
		msg:     msg, malformed: err, filler: streams.IsFiller(msg.Subject(), msg.Data()),
	}), d
}

// deliveryOf returns the delivery of ctx, or a new one outside of Run.
func deliveryOf(ctx context.Context) *delivery {
	if d, ok := ctx.Value(deliveryKey{}).(*delivery); ok {
		return d
	}
	return &delivery{}
}

// Observe calls observe with the outcome of each delivery after it was settled.
func Observe(observe func(Outcome)) Middleware {
	return func(next Handler) Handler {
		if observe == nil {
			return next
		}
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			out, err := next(ctx, d)
			observe(deliveryOf(ctx).Outcome)
			return out, err
		}
	}
}

// retryError is an error after which the event is redelivered.
type retryError struct {
	error
	delay time.Duration
}

func (e *retryError) Unwrap() error { return e.error }

// Settle acknowledges a delivery that succeeded, naks one that Retry wants again, and
// terminates any other.
func Settle(log *slog.Logger) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			out, err := next(ctx, d)
			delivery := deliveryOf(ctx)
			delivery.Err = err
			settlement, failed, again := "ack", error(nil), (*retryError)(nil)
			switch {
			case err == nil:
				failed = delivery.msg.Ack()
			case errors.As(err, &again):
				delivery.Result = Retried
				settlement, failed = "nak", delivery.msg.NakWithDelay(again.delay)
			default:
				delivery.Result = Dead
				settlement, failed = "term", delivery.msg.TermWithReason(event.Headline(err.Error()))
			}
			if failed != nil {
				log.WarnContext(ctx, settlement+" failed, event will be redelivered", "event", d.Ref.String(), "error", failed)
			}
			return out, err
		}
	}
}
