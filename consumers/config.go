package consumers

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// DefaultMaxAge is the MaxAge of commands whose plugin names none.
const DefaultMaxAge = 10 * time.Minute

const defaultAckWait = 5 * time.Second

// DefaultBackoff returns the default waits before each attempt after the first.
func DefaultBackoff() []time.Duration {
	return []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute}
}

// MaxMaxAge is the longest MaxAge of a consumer: an event handled at that age may
// still go through the whole backoff schedule before the stream's duplicate window
// drops the message IDs of its first attempt.
const MaxMaxAge = streams.DuplicateWindow - 5*time.Minute

// Config configures a durable consumer.
type Config struct {
	Durable  string   // the consumer's name, for example plugin-trivia
	Stream   string   // the stream it consumes
	Subjects []string // its filters; the whole stream if empty
	Name     string   // dead letters and expirations are published as plugin.{Name}.event.…

	// Since is where a new consumer starts that has no checkpoint (see
	// streams.KeepCheckpoints); the beginning of the stream if zero.
	Since time.Time
	// FromFirst says that the consumer begins at the first event of its stream and reads the
	// past: that an event is older than the consumer does not mean that it was handled
	// before, and deliveries get no spans. An event that is tried again holds up those
	// after it, so that they are handled in their order.
	FromFirst bool
	// Batch is how many events a consumer FromFirst handles before it calls Flush, if set, and
	// settles them; 1 if 0. A crash repeats the batch.
	Batch int
	Flush func(context.Context) error
	// Source is the metadata.source of what the handler publishes; Durable if empty.
	Source string
	// Backoff is the wait before each attempt after the first; DefaultBackoff if
	// nil. The last wait repeats.
	Backoff []time.Duration
	// Attempts is the number of attempts before an event is dead-lettered;
	// len(Backoff)+1 if 0.
	Attempts int
	// MaxAge is the age beyond which an event is recorded as expired and not
	// handled; 0 means none, and MaxMaxAge is the maximum.
	MaxAge time.Duration
	// AckWait is the time after which a crashed process's event is redelivered;
	// 5 s if 0. A running handler may take longer.
	AckWait time.Duration
	// Exclusive says that no other process reads the consumer now: what was delivered to
	// one that died is redelivered at once and before other events, as a further attempt,
	// and not after its AckWait.
	Exclusive bool
	// Skip, if set, reports whether an event is acknowledged without being handled,
	// observed or traced.
	Skip func(streams.Stored) bool
	// Key, if set, returns a key of each event. Events of different keys are handled beside
	// each other, and those of one key in order.
	Key func(streams.Stored) string
	// Allow, if set, returns an error for a subject that the handler may not publish.
	Allow func(subject string) error
	// NotifyUser makes a failed plugin.{name}.command answer its user in the channel that it
	// failed.
	NotifyUser bool
	// Words, if set, returns what NotifyUser says in the words of a channel, "" for nothing.
	Words func(ctx context.Context, channel string, p event.Phrase) string
	// Observe, if set, is called after each delivery was acked, nacked or terminated.
	Observe func(Outcome)
	// Ready, if set, is called once the consumer is open.
	Ready  func()
	Logger *slog.Logger // discards if nil

	created time.Time // the consumer: it may have handled what was stored before, and then been lost
}

// mayRepeat reports whether an event may have been handled before, and since when. The
// server may have lost count of the attempts with the consumer or, when it was killed,
// with its file.
func (c Config) mayRepeat(d streams.Stored, signedSince time.Time) (again bool, since time.Time) {
	if c.FromFirst {
		if since = d.At; since.Before(c.created) {
			since = c.created
		}
		return d.Attempt > 1, since
	}
	return d.Attempt > 1 || d.At.Before(c.created) || d.At.Before(signedSince), d.At
}

func (c Config) withDefaults() (Config, error) {
	if c.Backoff == nil {
		c.Backoff = DefaultBackoff()
	}
	if c.Attempts == 0 {
		c.Attempts = len(c.Backoff) + 1
	}
	c.Batch = max(c.Batch, 1)
	if c.Source == "" {
		c.Source = c.Durable
	}
	if c.AckWait == 0 {
		c.AckWait = defaultAckWait
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("consumer", c.Durable)
	if c.MaxAge > MaxMaxAge {
		return c, fmt.Errorf("consumer %s: a max_age of %s is more than %s, within which repeats are recognised", c.Durable, c.MaxAge, MaxMaxAge)
	}
	return c, nil
}

// delay returns the wait after a failed attempt.
func (c Config) delay(attempt int) time.Duration {
	if len(c.Backoff) == 0 {
		return c.AckWait
	}
	return c.Backoff[min(attempt, len(c.Backoff))-1]
}

// The results of a delivery.
const (
	Handled = "handled"
	Expired = "expired" // too old: recorded, not handled
	Retried = "retried" // to be redelivered
	Dead    = "dead_letter"
)

// Outcome describes how one delivery of an event was settled.
type Outcome struct {
	Consumer   string
	Subject    string
	Result     string        // Handled, Expired, Retried or Dead
	Attempt    int           // from 1
	Waited     time.Duration // between the event's storage and this delivery
	Took       time.Duration // the attempt
	Duplicates int           // outputs that an earlier attempt had published
	Err        error
	Span       trace.SpanContext // of the delivery; invalid if tracing is off
}
