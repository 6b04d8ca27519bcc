package consumers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
)

// Defaults of Config.
const (
	DefaultAckWait = 5 * time.Second
	DefaultMaxAge  = 10 * time.Minute
	drainTimeout   = 10 * time.Second
)

// DefaultBackoff is how long to wait before each attempt after the first.
func DefaultBackoff() []time.Duration {
	return []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute}
}

// MaxMaxAge is the longest max_age a consumer may have: an event may be handled
// at that age and then go through the whole backoff schedule before the stream
// forgets the ids of what its first attempt published.
const MaxMaxAge = streams.DuplicateWindow - 5*time.Minute

// Config says what a durable consumer reads and how it fails.
type Config struct {
	Durable  string   // the consumer's name, for example plugin-trivia
	Stream   string   // the stream it reads
	Subjects []string // what it reads of the stream; all of it when empty
	Name     string   // plugin.{Name}.event.… gets dead letters and expirations

	// Since is where a consumer that does not exist yet begins to read; the
	// stream's beginning when zero.
	Since time.Time
	// Backoff is how long to wait before each attempt after the first;
	// DefaultBackoff when nil. After the last one the event is dead-lettered.
	Backoff []time.Duration
	// Attempts is how often an event is tried; len(Backoff)+1 when 0. The last
	// backoff repeats.
	Attempts int
	// MaxAge is the age past which an event is recorded as expired and not
	// handled; 0 means never, and MaxMaxAge is the most.
	MaxAge time.Duration
	// AckWait is how long after a crash an event waits for its next delivery;
	// DefaultAckWait when 0. A running handler may take longer.
	AckWait time.Duration
	// Ordered keeps an event that failed before those behind it.
	Ordered bool
	// Allow refuses subjects that this consumer may not publish; nil allows all.
	Allow func(subject string) error
	// Observe is told of each delivery once it is settled; nil tells nobody.
	Observe func(Outcome)
	// Ready is told that events are being read; nil tells nobody.
	Ready  func()
	Logger *slog.Logger // nil discards
}

// The results of a delivery.
const (
	Handled = "handled"
	Expired = "expired" // too old: recorded, not handled
	Retried = "retried"
	Dead    = "dead_letter" // given up
)

// Outcome says how one delivery of an event went.
type Outcome struct {
	Consumer   string
	Subject    string
	Result     string        // Handled, Expired, Retried or Dead
	Attempt    int           // from 1
	Waited     time.Duration // in the stream, before this delivery
	Took       time.Duration // to handle it
	Duplicates int           // publishes that an earlier attempt had made
	Err        error
	Span       trace.SpanContext // of the handling; not valid while tracing is off
}

// Run reads events with a durable consumer and hands them to h, one at a time,
// until ctx ends; the handler then running is waited for. It returns an error when
// the consumer is deleted or the connection closed for good before that. It creates
// the consumer or updates its settings, never starting it over. Several processes
// that run the same durable share its events.
//
// An event is acknowledged after h succeeded and everything it returned is
// stored. A failed attempt is repeated after the backoff, and after the last
// one, or at once for a malformed event or a Permanent error, the event is
// published as plugin.{Name}.event.dead_letter and left. A notice that the consumer
// itself wrote (dead letter, expiration, denial), or a dead letter about a notice,
// is left without one, with an error in the log; so is an event whose dead letter
// the server will not take however brief.
func Run(ctx context.Context, bus *streams.Bus, c Config, h Handler) error {
	r, err := newRunner(bus, c, h)
	if err != nil {
		return err
	}
	consumer, err := r.open(ctx)
	if err != nil {
		return fmt.Errorf("open consumer %s: %w", c.Durable, err)
	}
	r.source = consumer
	messages, err := streams.OneByOne(consumer)
	if err != nil {
		return fmt.Errorf("read consumer %s: %w", c.Durable, err)
	}
	defer messages.Stop()
	r.beat = newHeartbeat(r.AckWait/3, r.log)
	defer r.beat.end()
	if c.Ready != nil {
		c.Ready()
	}
	stop := context.AfterFunc(ctx, func() {
		if bus.Conn().IsConnected() {
			messages.Drain()
		} else {
			messages.Stop() // draining would wait for the server to agree
		}
	})
	defer stop()
	work, cancel := drainable(ctx)
	defer cancel()
	for {
		msg, err := streams.Next(messages)
		switch {
		case err == nil:
			r.deliver(work, msg)
		case ctx.Err() != nil && errors.Is(err, jetstream.ErrMsgIteratorClosed):
			return ctx.Err()
		case bus.Conn().IsClosed():
			return fmt.Errorf("read consumer %s: %w", c.Durable, connect.AwaitClosed(ctx, bus.Conn()))
		case errors.Is(err, jetstream.ErrMsgIteratorClosed), errors.Is(err, jetstream.ErrBadRequest):
			return fmt.Errorf("read consumer %s: %w", c.Durable, err)
		case errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, jetstream.ErrConsumerNotFound), r.gone(ctx, consumer, err):
			return fmt.Errorf("consumer %s was deleted: %w", c.Durable, err)
		default:
			// Missed heartbeats and lost connections: the iterator goes on.
			r.log.DebugContext(ctx, "reading goes on after an error", "consumer", c.Durable, "error", err)
		}
	}
}

// gone reports whether heartbeats are missing because the consumer is: it may
// have been deleted between two pulls, and then the server says nothing.
func (r *runner) gone(ctx context.Context, consumer jetstream.Consumer, err error) bool {
	if !errors.Is(err, jetstream.ErrNoHeartbeat) || !r.bus.Conn().IsConnected() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err = consumer.Info(ctx)
	return errors.Is(err, jetstream.ErrConsumerNotFound)
}

// Open makes the durable consumer that Run reads exist, with Run's settings, so that
// it has what is stored from now on.
func Open(ctx context.Context, bus *streams.Bus, c Config) error {
	r, err := newRunner(bus, c, nil)
	if err == nil {
		_, err = r.open(ctx)
	}
	if err != nil {
		return fmt.Errorf("open consumer %s: %w", c.Durable, err)
	}
	return nil
}

type runner struct {
	Config
	bus     *streams.Bus
	handler Handler
	log     *slog.Logger
	beat    *heartbeat         // while it runs
	source  jetstream.Consumer // that is read
	asked   time.Time          // when the server was last asked what time it is…
	told    time.Time          // …and what it said
}

func newRunner(bus *streams.Bus, c Config, h Handler) (*runner, error) {
	if c.Backoff == nil {
		c.Backoff = DefaultBackoff()
	}
	if c.Attempts == 0 {
		c.Attempts = len(c.Backoff) + 1
	}
	if c.AckWait == 0 {
		c.AckWait = DefaultAckWait
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxAge > MaxMaxAge {
		return nil, fmt.Errorf("consumer %s: a max_age of %s is more than %s, within which repeats are recognised", c.Durable, c.MaxAge, MaxMaxAge)
	}
	h = Chain(h, Expire(c.Durable, c.Name, c.MaxAge), Recover())
	log := c.Logger.With("consumer", c.Durable)
	return &runner{Config: c, bus: bus.As(c.Durable), handler: h, log: log}, nil
}

// spare is how many deliveries beyond the attempts serve to dead-letter an event
// whose last attempt died with its process, or whose dead letter met an outage.
const spare = 10

func (r *runner) open(ctx context.Context) (jetstream.Consumer, error) {
	want := jetstream.ConsumerConfig{
		Durable:        r.Durable,
		FilterSubjects: r.Subjects,
		DeliverPolicy:  jetstream.DeliverAllPolicy,
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        r.AckWait,
		MaxDeliver:     r.Attempts + spare,
		MaxAckPending:  1000,
	}
	if r.Ordered {
		want.MaxAckPending = 1
	}
	if !r.Since.IsZero() {
		want.DeliverPolicy, want.OptStartTime = jetstream.DeliverByStartTimePolicy, &r.Since
	}
	return r.bus.Durable(ctx, r.Stream, want)
}

// deliver settles one delivery.
func (r *runner) deliver(work context.Context, msg jetstream.Msg) {
	d, malformed := streams.Read(msg)
	if malformed == nil {
		malformed = d.Validate()
	}
	work, span := r.bus.Tracer().Delivery(work, d, r.Durable)
	defer span.End()
	waited := time.Since(d.At)
	if waited < 0 || waited > doubtful {
		work = WithClock(work, r.clock(work))
		waited = Now(work).Sub(d.At)
	}
	out := &outbox{bus: r.bus, allow: r.Allow, durable: r.Durable, delivered: d.Ref, attempt: d.Attempt, waited: waited, log: r.log}
	outcome := Outcome{Consumer: r.Durable, Subject: d.Subject, Result: Handled, Attempt: d.Attempt, Waited: waited, Span: span.SpanContext()}

	r.beat.start(work, msg)
	started := time.Now()
	err := malformed
	switch {
	case err != nil:
		err = Permanent(fmt.Errorf("malformed event: %w", err))
	case d.Meta(event.MetaRetryFor) != "" && d.Meta(event.MetaRetryFor) != r.Durable:
		// Another consumer's dead letter, put to it again: ours has seen the event.
	case d.Attempt > r.Attempts:
		err = Permanent(errors.New("the process ended during the last attempt"))
	default:
		outcome.Result, err = r.handle(work, out, d)
	}
	outcome.Took, outcome.Duplicates, outcome.Err = time.Since(started), int(out.duplicates.Load()), err
	if err == nil {
		r.settle(work, "ack", msg.Ack)
	} else {
		_ = streams.Fail(span, err, event.PluginError)
		outcome.Result = r.failed(work, msg, d, err)
	}
	span.SetAttributes(attribute.String("rosey.outcome", outcome.Result))
	if r.Observe != nil {
		r.Observe(outcome)
	}
}

// doubtful is the age of an event that may not be its age: the clock of the server
// that stored it may be another than this machine's, which may also jump.
const doubtful = time.Second

// clock is the clock by which the server stores events. Where it cannot be told, it
// is this machine's.
func (r *runner) clock(ctx context.Context) func() time.Time {
	if r.asked.IsZero() || time.Since(r.asked) > askAgain {
		ctx, cancel := context.WithTimeout(ctx, askAgain)
		defer cancel()
		info, err := r.source.Info(ctx)
		if err != nil {
			return time.Now
		}
		r.asked, r.told = time.Now(), info.TimeStamp
	}
	asked, told := r.asked, r.told
	return func() time.Time { return told.Add(time.Since(asked)) }
}

// askAgain is for how long the server is believed, and waited for.
const askAgain = 2 * time.Second

func (r *runner) handle(ctx context.Context, out *outbox, d streams.Stored) (result string, err error) {
	events, err := r.handler(WithPublisher(ctx, out), d)
	if err != nil {
		// A handler may fail with any amount of text, and a dead letter must fit
		// into a message.
		if short := event.Errorf(event.AsError(err, event.PluginError).Code, "%w", err); short.Message != err.Error() {
			err = short
		}
		return "", err
	}
	result = Handled
	if len(events) == 1 && r.expires(d, events[0]) {
		result = Expired
	}
	return result, out.publishAll(ctx, events)
}

// expires reports whether e records that this consumer found d too old.
func (r *runner) expires(d streams.Stored, e event.Envelope) bool {
	if !event.Match(event.EventSubject("*", event.TypeExpired), e.Subject) {
		return false
	}
	record, err := event.As[event.Expired](e)
	return err == nil && record.Consumer == r.Durable && record.Stream == d.Ref.Stream && record.Seq == int64(d.Ref.Seq)
}

// failed arranges the next attempt or, when there is none, the dead letter.
func (r *runner) failed(ctx context.Context, msg jetstream.Msg, d streams.Stored, err error) string {
	if !isPermanent(err) && d.Attempt < r.Attempts {
		wait := r.wait(d.Attempt)
		r.log.WarnContext(ctx, "handling failed, will retry", "subject", d.Subject, "event", d.Ref.String(),
			"attempt", d.Attempt, "of", r.Attempts, "after", wait, "error", err)
		r.settle(ctx, "nak", func() error { return msg.NakWithDelay(wait) })
		return Retried
	}
	if r.aboutItself(d) {
		r.log.ErrorContext(ctx, "handling a notice failed; there is no dead letter about it", "subject", d.Subject, "event", d.Ref.String(),
			"attempts", d.Attempt, "error", err)
	} else {
		r.log.ErrorContext(ctx, "event set aside as a dead letter", "subject", d.Subject, "event", d.Ref.String(), "attempts", d.Attempt, "error", err)
		switch perr := r.deadLetter(ctx, d, err); {
		case perr == nil:
		case streams.Repeatable(perr) && d.Attempt < r.Attempts+spare:
			r.log.ErrorContext(ctx, "the dead letter could not be stored, will try again", "event", d.Ref.String(), "error", perr)
			r.settle(ctx, "nak", func() error { return msg.NakWithDelay(r.wait(d.Attempt)) })
			return Retried
		default:
			// The server would not deliver it again, or each time in vain.
			r.log.ErrorContext(ctx, "event given up without a dead letter, which cannot be stored", "subject", d.Subject, "event", d.Ref.String(),
				"attempts", d.Attempt, "error", perr, "failed", err)
		}
	}
	r.settle(ctx, "term", func() error { return msg.TermWithReason(event.Headline(err.Error())) })
	return Dead
}

// wait is how long to wait after a failed attempt.
func (r *runner) wait(attempt int) time.Duration {
	if len(r.Backoff) == 0 {
		return r.AckWait
	}
	return r.Backoff[min(attempt, len(r.Backoff))-1]
}

// settle tells the server what becomes of the delivery. Until then its deadline
// is extended: a dead letter may wait for room as long as an answer.
func (r *runner) settle(ctx context.Context, how string, do func() error) {
	r.beat.stop()
	if err := do(); err != nil {
		r.log.WarnContext(ctx, "settling a delivery failed, it will come again", "how", how, "error", err)
	}
}

// drainable is ctx, but ending drainTimeout after ctx does, so that what was begun
// is finished.
func drainable(ctx context.Context) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(drainTimeout, cancel) })
	return work, func() { stop(); cancel() }
}
