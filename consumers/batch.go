package consumers

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
)

// ErrRepeatBatch is returned by Config.Flush, or a handler, when all events of the batch
// must be handled again: somebody else changed what they depended on.
var ErrRepeatBatch = errors.New("handle the batch again")

const (
	// fetchTimeout bounds a wait for the first event of a batch.
	fetchTimeout = 10 * time.Second
	// maxRepeats is how often a batch is repeated before its events are dead-lettered.
	maxRepeats = 20
)

// runBatches reads a consumer FromFirst: it handles up to c.Batch events in their order,
// calls c.Flush, and settles them all. A failed attempt is repeated in its place.
func runBatches(ctx, work context.Context, bus *streams.Bus, source jetstream.Consumer, c Config, h Handler) error {
	b := batches{
		Config: c, work: work, stopping: ctx,
		beat: heartbeat{every: c.AckWait / 3, log: c.Logger, handled: map[jetstream.Msg]context.Context{}},
	}
	b.handle = Chain(h,
		Trace(streams.NoTracer{}, c.Durable), // no spans: a year of the past would be dated today
		serverTime(source),
		DeadLetter(bus, c),
		Validate(c.Durable),
		b.retryInPlace,
		Deduplicate(bus, c),
		Recover(),
	)
	// What is wrong with the batch is reported of each of its events.
	b.bury = Chain(func(context.Context, streams.Stored) ([]event.Envelope, error) { return nil, Permanent(b.failed) }, DeadLetter(bus, c), Validate(c.Durable))
	for {
		msgs, err := fetch(ctx, source, c.Batch)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = b.settle(msgs)
		}
		if errors.Is(err, ErrStopping) {
			return ctx.Err()
		}
		if err != nil {
			if err := final(ctx, bus, source, c, err); err != nil {
				return err
			}
			_ = retry.Sleep(ctx, 100*time.Millisecond)
		}
	}
}

// fetch waits for an event and returns it with those that are stored after it, n at most.
// It returns none if there was none for a while, and an event that is redelivered alone:
// if it kills its process, the attempts of no other are counted.
func fetch(ctx context.Context, source jetstream.Consumer, n int) (msgs []jetstream.Msg, err error) {
	waiting, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	batch, err := source.Fetch(1, jetstream.FetchContext(waiting), jetstream.FetchHeartbeat(time.Second))
	for range 2 {
		if err != nil {
			return msgs, err
		}
		for msg := range batch.Messages() {
			msgs = append(msgs, msg)
		}
		if err = batch.Error(); errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		if err != nil || len(msgs) == 0 || n == len(msgs) {
			return msgs, err
		}
		if m, err := msgs[0].Metadata(); err != nil || m.NumPending == 0 || m.NumDelivered > 1 || len(msgs) > 1 {
			return msgs, err
		}
		batch, err = source.FetchNoWait(n - 1)
	}
	return msgs, err
}

// batches handles events in batches.
type batches struct {
	Config
	work, stopping context.Context
	beat           heartbeat
	handle, bury   Handler
	failed         error // of the batch
}

// settle handles the events, as a whole again if need be, and acknowledges them.
func (b *batches) settle(msgs []jetstream.Msg) error {
	for _, msg := range msgs {
		b.beat.start(b.work, msg)
		defer b.beat.stop(msg)
	}
	dead := make([]error, len(msgs))
	for repeats := 0; ; repeats++ {
		err := b.attempt(msgs, dead)
		if err == nil {
			break
		}
		if b.stopping.Err() != nil {
			return ErrStopping
		}
		if !errors.Is(err, ErrRepeatBatch) {
			return err
		}
		if repeats == maxRepeats {
			b.giveUp(msgs, dead, err)
			break
		}
		_ = retry.Sleep(b.stopping, time.Duration(repeats)*10*time.Millisecond)
	}
	var failed error
	for i, msg := range msgs {
		b.beat.stop(msg)
		if dead[i] != nil {
			failed = errors.Join(failed, msg.TermWithReason(event.Headline(dead[i].Error())))
		} else {
			failed = errors.Join(failed, msg.Ack())
		}
	}
	if failed != nil {
		b.Logger.WarnContext(b.work, "ack failed, event will be redelivered", "error", failed)
	}
	return nil
}

// attempt handles the events but for those that are dead, and stores what they changed.
func (b *batches) attempt(msgs []jetstream.Msg, dead []error) error {
	for i, msg := range msgs {
		if dead[i] != nil {
			continue
		}
		ctx, d := receive(b.work, msg, b.Durable)
		_, err := b.handle(ctx, d)
		if again, ok := errors.AsType[*retryError](err); ok {
			return again.error
		}
		dead[i] = err
	}
	if b.Flush == nil {
		return nil
	}
	return b.Flush(b.work)
}

// giveUp dead-letters the events of a batch.
func (b *batches) giveUp(msgs []jetstream.Msg, dead []error, err error) {
	b.failed = err
	for i, msg := range msgs {
		if dead[i] == nil {
			ctx, d := receive(b.work, msg, b.Durable)
			_, dead[i] = b.bury(ctx, d)
		}
	}
}

// retryInPlace repeats a failed attempt after the backoff, before any other event. It
// passes on what Retry does.
func (b *batches) retryInPlace(next Handler) Handler {
	return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		if d.Attempt > b.Attempts {
			return nil, Permanent(errCrashed)
		}
		for {
			out, err := next(ctx, d)
			if err == nil || isPermanent(err) || d.Attempt >= b.Attempts && !errors.Is(err, ErrRepeatBatch) {
				return out, err
			}
			if errors.Is(err, ErrRepeatBatch) || errors.Is(err, ErrStopping) {
				return nil, &retryError{err, 0}
			}
			b.Logger.WarnContext(ctx, "handler failed, retrying", "subject", d.Subject, "event", d.Ref.String(), "attempt", d.Attempt, "of", b.Attempts,
				"after", b.delay(d.Attempt), "error_code", event.AsError(err, event.PluginError).Code, "error", event.Loggable(err))
			if retry.Sleep(b.stopping, b.delay(d.Attempt)) != nil {
				return nil, &retryError{ErrStopping, 0}
			}
			d.Attempt++
		}
	}
}
