package consumers

import (
	"context"
	"errors"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// deadLetter publishes an event that is given up on, with the reason, in the
// conversation it belongs to. A letter that will never be taken is replaced by a
// brief one: little that is known of an event is more than nothing.
func (r *runner) deadLetter(ctx context.Context, d streams.Stored, cause error) error {
	letter := event.DeadLetter{
		EventType: event.TypeDeadLetter,
		Consumer:  r.Durable,
		Stream:    d.Ref.Stream,
		Seq:       int64(d.Ref.Seq),
		Subject:   d.Subject,
		Error:     cause.Error(),
		Code:      event.AsError(cause, event.PluginError).Code,
		Attempts:  d.Attempt,
	}
	var p *PanicError
	if errors.As(cause, &p) {
		letter.Stack = p.Stack
	}
	err := r.send(ctx, d, letter, "")
	if err == nil || streams.Repeatable(err) {
		return err
	}
	r.log.ErrorContext(ctx, "the dead letter is not taken, a brief one is stored", "event", d.Ref.String(), "error", err)
	letter.Stack, letter.Error = "", brief(letter.Error)
	ctx = trace.ContextWithSpanContext(ctx, trace.SpanContext{})
	return r.send(ctx, d, letter, event.NewCorrelationID())
}

func (r *runner) send(ctx context.Context, d streams.Stored, letter event.DeadLetter, correlation string) error {
	e, err := event.New(event.EventSubject(r.Name, event.TypeDeadLetter), letter)
	if err != nil {
		return err
	}
	e.CorrelationID = correlation // the context's when empty
	_, err = r.bus.Publish(ctx, e, streams.WithMsgID(r.Durable+"/"+d.Ref.String()+"/dead"), streams.WithRetry(patience))
	return err
}

// brief is the beginning of a text.
func brief(text string) string {
	const most = 200 // bytes
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// aboutItself reports whether an event is no reason for a dead letter: a notice
// that this consumer wrote, or anybody's dead letter about a notice. A consumer that
// reads what it writes, or two that read each other's, would set aside letters about
// letters without end.
func (r *runner) aboutItself(d streams.Stored) bool {
	if !isNotice(d.Subject) {
		return false
	}
	letter, err := event.As[event.DeadLetter](d.Envelope)
	return d.Meta(event.MetaSource) == r.Durable || err == nil && isNotice(letter.Subject)
}

// isNotice reports whether an event on subject tells what became of another one.
func isNotice(subject string) bool {
	for _, kind := range []string{event.TypeDeadLetter, event.TypeExpired, event.TypeDenied} {
		if event.Match(event.EventSubject("*", kind), subject) {
			return true
		}
	}
	return false
}
