package consumers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// earlierOutputs finds the outputs of an earlier attempt, or of another process that was
// given the event while this one stood still. The duplicate window does not serve for that:
// it may be over, and the secret or the plugin's credentials may be others since.
type earlierOutputs struct {
	bus     *streams.Bus
	log     *slog.Logger
	since   time.Time // before any output
	again   bool      // the event may have been handled before
	overdue time.Time // when the server may give the event to another process if this one stands still

	mu   sync.Mutex
	read map[string]readOutputs // by subject: a handler may have thousands of outputs
}

type readOutputs struct {
	outputs map[string]event.Ref
	overdue bool // read after the event was overdue
}

// find returns the output of a subject with a message ID, if it was stored. A timer is not
// looked for, as it replaces that of the same name.
func (o *earlierOutputs) find(ctx context.Context, subject string, params streams.PublishParams) (ack streams.Ack, found bool, err error) {
	if params.Timer != "" || !o.mayRepeat() {
		return streams.Ack{}, false, nil
	}
	overdue := o.isOverdue()
	o.mu.Lock()
	defer o.mu.Unlock()
	read, ok := o.read[subject]
	if !ok || overdue && !read.overdue {
		read.overdue = overdue
		read.outputs, err = retry.Value(ctx, jsapi.RetryUnavailable(outageTimeout, o.log), func(ctx context.Context) (map[string]event.Ref, error) {
			return o.bus.Outputs(ctx, subject, o.since)
		})
		if err != nil {
			return streams.Ack{}, false, event.Errorf(event.NATSError, "find what an earlier attempt stored: %w", err)
		}
		if o.read == nil {
			o.read = map[string]readOutputs{}
		}
		o.read[subject] = read
	}
	ref, found := read.outputs[params.MsgID]
	return streams.Ack{Ref: ref, Duplicate: found}, found, nil
}

// mayRepeat reports whether an attempt may have been made before this one.
func (o *earlierOutputs) mayRepeat() bool {
	return !o.since.IsZero() && (o.again || o.isOverdue())
}

func (o *earlierOutputs) isOverdue() bool { return !time.Now().Round(0).Before(o.overdue) }
