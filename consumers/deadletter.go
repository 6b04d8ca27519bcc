package consumers

import (
	"context"
	"errors"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// deadLetter publishes an event that is given up on, with the reason, in the
// conversation it belongs to.
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
	e, err := event.New(event.EventSubject(r.Name, event.TypeDeadLetter), letter)
	if err != nil {
		return err
	}
	_, err = r.bus.Publish(ctx, e, streams.WithMsgID(r.Durable+"/"+d.Ref.String()+"/dead"), streams.Patiently(patience))
	return err
}
