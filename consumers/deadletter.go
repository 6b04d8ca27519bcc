package consumers

import (
	"context"
	"errors"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// DeadLetter publishes a dead letter about an event whose handling failed for good,
// unless the event is itself such a notice (see Run).
func DeadLetter(bus *streams.Bus, c Config) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			out, err := next(ctx, d)
			var again *retryError
			if err == nil || errors.As(err, &again) {
				return out, err
			}
			log := c.Logger.With("subject", d.Subject, "event", d.Ref.String(), "attempts", d.Attempt, "error_code", event.AsError(err, event.PluginError).Code, "error", event.Loggable(err))
			if aboutItself(c.Source, d) {
				log.ErrorContext(ctx, "notice terminated without a dead letter")
				return nil, err
			}
			failed := publishLetter(ctx, bus, c, d, err)
			switch {
			case failed == nil:
				log.ErrorContext(ctx, "event dead-lettered")
			case jsapi.IsRetryable(failed) && d.Attempt < c.Attempts+extraDeliveries:
				log.ErrorContext(ctx, "dead letter not stored, retrying", "reason", failed)
				return nil, &retryError{err, c.delay(d.Attempt)}
			default:
				log.ErrorContext(ctx, "event terminated without a dead letter", "reason", failed)
			}
			return nil, err
		}
	}
}

// publishLetter publishes a dead letter with the cause, in the event's conversation. If
// the server refuses it, a short one replaces it.
func publishLetter(ctx context.Context, bus *streams.Bus, c Config, d streams.Stored, cause error) error {
	letter := event.DeadLetter{
		EventType: event.TypeDeadLetter,
		Consumer:  c.Durable,
		Stream:    d.Ref.Stream,
		Seq:       int64(d.Ref.Seq),
		Subject:   d.Subject,
		Error:     cause.Error(),
		Code:      event.AsError(cause, event.PluginError).Code,
		Attempts:  d.Attempt,
	}
	if p, ok := errors.AsType[*PanicError](cause); ok {
		letter.Stack = p.Stack
	}
	send := func(ctx context.Context, correlation string) error {
		e, err := event.New(event.EventSubject(c.Name, event.TypeDeadLetter), letter)
		if err != nil {
			return err
		}
		e.CorrelationID = correlation // that of ctx if empty
		_, err = bus.Publish(ctx, e, streams.WithMsgID(c.Durable+"/"+d.Ref.String()+"/dead"), streams.WithRetry(outageTimeout))
		return err
	}
	err := send(ctx, "")
	if err == nil || jsapi.IsRetryable(err) {
		return err
	}
	c.Logger.ErrorContext(ctx, "dead letter refused, storing a short one", "event", d.Ref.String(), "error", err)
	letter.Stack, letter.Error = "", truncate(letter.Error)
	return send(trace.ContextWithSpanContext(ctx, trace.SpanContext{}), event.NewCorrelationID())
}

// truncate returns the beginning of a text.
func truncate(text string) string {
	const limit = 200 // bytes
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// aboutItself reports whether an event gets no dead letter: a notice that the consumer
// itself published, or any dead letter about a notice. Without this, a consumer that
// reads its own notices, or two that read each other's, would publish dead letters
// about dead letters without end.
func aboutItself(source string, d streams.Stored) bool {
	if !isNotice(d.Subject) {
		return false
	}
	letter, err := event.As[event.DeadLetter](d.Envelope)
	return d.Meta(event.MetaSource) == source || err == nil && isNotice(letter.Subject)
}

// isNotice reports whether an event on subject reports the fate of another one.
func isNotice(subject string) bool { return noticeKind(subject) != "" }

// noticeKind returns the type of a notice by its subject, or "".
func noticeKind(subject string) string {
	for _, kind := range []string{event.TypeDeadLetter, event.TypeExpired, event.TypeDenied} {
		if event.Match(event.EventSubject("*", kind), subject) {
			return kind
		}
	}
	return ""
}
