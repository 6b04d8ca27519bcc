package consumers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
)

const (
	// drainTimeout is how long a handler may run on after Run's context ended.
	drainTimeout = 10 * time.Second
	// extraDeliveries is added to MaxDeliver so that an event whose last attempt
	// crashed, or whose dead letter met an outage, can still be dead-lettered.
	extraDeliveries = 10
)

// Run consumes events with a durable consumer and passes them to h, one at a time but
// for those of different keys (see Config.Key) and handlers that call ReadNext, until ctx ends and all have returned. It returns an
// error earlier if the consumer is deleted or the connection is closed. It creates the
// consumer or updates its configuration, without resetting it. Several processes that
// run the same durable share its events.
//
// An event is acknowledged after h succeeded and everything it returned is stored. A
// failed attempt is repeated after the backoff. After the last one, or at once for a
// malformed event or a Permanent error, the event is published as
// plugin.{Name}.event.dead_letter and terminated. A notice that the consumer itself
// published (dead letter, expiration, denial), a dead letter about a notice, and an
// event whose dead letter the server refuses are terminated without one and logged.
func Run(ctx context.Context, bus *streams.Bus, c Config, h Handler) error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	bus = bus.As(c.Source)
	source, err := open(ctx, bus, c)
	if err != nil {
		return err
	}
	c.created = source.CachedInfo().Created
	work, cancel := drainable(ctx)
	defer cancel()
	if c.FromFirst {
		if c.Ready != nil {
			c.Ready()
		}
		return runBatches(ctx, work, bus, source, c, h)
	}
	messages, err := streams.PullOne(source)
	if err != nil {
		return fmt.Errorf("read consumer %s: %w", c.Durable, err)
	}
	defer messages.Stop()
	if c.Ready != nil {
		c.Ready()
	}
	defer stopReading(ctx, bus, messages)()
	handle := guarantee(bus, source, c, h)
	var running sync.WaitGroup
	defer running.Wait()
	ended := make(chan error, 1)
	// The goroutine that reads handles, too: to pass each event on to another one would
	// cost more than most handlers do. One that overlaps has another one read on.
	var read func()
	read = func() {
		for {
			msg, err := streams.NextMsg(messages)
			if err != nil {
				if err := final(ctx, bus, source, c, err); err != nil {
					ended <- err
					return
				}
				continue
			}
			if c.skips(msg) {
				continue
			}
			ctx, d := receive(work, msg, c.Durable)
			overlapped := false
			deliveryOf(ctx).overlap = sync.OnceFunc(func() { overlapped = true; running.Go(read) })
			if _, _ = handle(ctx, d); overlapped { // Settle has settled it, error or not
				return
			}
		}
	}
	running.Go(read)
	return <-ended
}

// skips reports whether Skip matched an event, which it then acknowledges.
func (c Config) skips(msg jetstream.Msg) bool {
	if c.Skip == nil {
		return false
	}
	d, err := streams.Read(msg)
	return err == nil && c.Skip(d) && msg.Ack() == nil
}

// ReadNext lets Run pass the next event to the handler while the one of ctx goes on. So a
// handler can put events into an order of its own; the consumer's limit of 1,000
// unacknowledged events is that of the handlers that run. It must be called before the
// handler returns.
func ReadNext(ctx context.Context) {
	if overlap := deliveryOf(ctx).overlap; overlap != nil {
		overlap()
	}
}

// guarantee composes what Run guarantees, outermost first.
func guarantee(bus *streams.Bus, source jetstream.Consumer, c Config, h Handler) Handler {
	return Chain(h,
		Trace(bus.Tracer(), c.Durable),      // a span for each delivery
		Observe(c.Observe),                  // the outcome, after settling
		serverTime(source),                  // ages by the server's clock
		Settle(c.Logger),                    // ack, nak or term
		Heartbeat(c.AckWait/3, c.Logger),    // no redelivery while the handler runs
		InTurn(c.Key),                       // events of one key one after the other
		NotifyUser(bus, c),                  // tell the user of a command that it failed
		DeadLetter(bus, c),                  // give up: publish a dead letter
		Validate(c.Durable),                 // malformed events, and those not for this consumer
		Retry(c),                            // failed attempts come again after the backoff
		Deduplicate(bus, c),                 // publish outputs under IDs that a redelivery repeats
		Expire(c.Durable, c.Name, c.MaxAge), // record what is too old
		Recover(),                           // a panic is an error
	)
}

// final returns the error with which Run ends because reading failed with err, or nil
// if reading goes on, as after missed heartbeats and lost connections.
func final(ctx context.Context, bus *streams.Bus, source jetstream.Consumer, c Config, err error) error {
	switch {
	case ctx.Err() != nil && errors.Is(err, jetstream.ErrMsgIteratorClosed):
		return ctx.Err()
	case bus.Conn().IsClosed():
		return fmt.Errorf("read consumer %s: %w", c.Durable, connect.AwaitClosed(ctx, bus.Conn()))
	case errors.Is(err, jetstream.ErrMsgIteratorClosed), errors.Is(err, jetstream.ErrBadRequest):
		return fmt.Errorf("read consumer %s: %w", c.Durable, err)
	case errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, jetstream.ErrConsumerNotFound), deleted(ctx, bus, source, err):
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			err = jetstream.ErrConsumerDeleted // what the server would have said
		}
		return fmt.Errorf("consumer %s was deleted: %w", c.Durable, err)
	}
	c.Logger.DebugContext(ctx, "read failed, retrying", "error", err)
	return nil
}

// deleted reports whether heartbeats are missing because the consumer was deleted: if
// that happened between two pulls, the server does not say so.
func deleted(ctx context.Context, bus *streams.Bus, source jetstream.Consumer, err error) bool {
	if !errors.Is(err, jetstream.ErrNoHeartbeat) || !bus.Conn().IsConnected() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err = source.Info(ctx)
	return errors.Is(err, jetstream.ErrConsumerNotFound)
}

// stopReading stops the iterator when ctx ends, until stop is called.
func stopReading(ctx context.Context, bus *streams.Bus, messages jetstream.MessagesContext) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if bus.Conn().IsConnected() {
			messages.Drain()
		} else {
			messages.Stop() // draining would wait for the server
		}
	})
}

// drainable returns a context that ends drainTimeout after ctx, so that a running
// handler can finish.
func drainable(ctx context.Context) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(drainTimeout, cancel) })
	return work, func() { stop(); cancel() }
}

// Open creates the durable consumer that Run reads, or updates its configuration, so
// that it receives what is stored from now on.
func Open(ctx context.Context, bus *streams.Bus, c Config) error {
	c, err := c.withDefaults()
	if err == nil {
		_, err = open(ctx, bus.As(c.Source), c)
	}
	return err
}

func open(ctx context.Context, bus *streams.Bus, c Config) (jetstream.Consumer, error) {
	want := jetstream.ConsumerConfig{
		Durable:        c.Durable,
		FilterSubjects: c.Subjects,
		DeliverPolicy:  jetstream.DeliverAllPolicy,
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        c.AckWait,
		MaxDeliver:     c.Attempts + extraDeliveries,
		MaxAckPending:  1000,
	}
	if c.FromFirst {
		want.MaxAckPending = c.Batch // what is tried again holds up what is behind it
	}
	if !c.Since.IsZero() {
		want.DeliverPolicy, want.OptStartTime = jetstream.DeliverByStartTimePolicy, &c.Since
	}
	source, err := bus.Durable(ctx, c.Stream, want)
	if err != nil {
		return nil, fmt.Errorf("open consumer %s: %w", c.Durable, err)
	}
	if c.Exclusive {
		if err := takeOver(ctx, bus, source); err != nil {
			return nil, fmt.Errorf("redeliver what consumer %s had delivered: %w", c.Durable, err)
		}
	}
	return source, nil
}
