// Package sender speaks in a channel what cytube.send.* events ask for: paced by the
// channel's flood limit, split to its length limit, and confirmed by the channel's
// echo.
package sender

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/internal/history"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// The defaults of a Config.
const (
	DefaultMessageLimit = 240
	DefaultMaxAge       = 2 * time.Minute
	DefaultEchoTimeout  = 10 * time.Second
)

// maxParts is how many lines a send may take, so that other sends do not expire behind it.
const maxParts = 100

// Config says where a Sender speaks and within which limits.
type Config struct {
	Channel string // in lower case

	// MessageLimit is the length of a message, in UTF-16 units, above which it is
	// split; DefaultMessageLimit if 0.
	MessageLimit int
	// MaxAge is the age from which a send is not spoken but recorded as expired;
	// DefaultMaxAge if 0.
	MaxAge time.Duration
	// EchoTimeout is how long an echo is waited for; DefaultEchoTimeout if 0.
	EchoTimeout time.Duration
	// Limit is the bot's own flood limit, beside the channel's.
	Limit channel.FloodLimit

	// Dispatched says that a Dispatcher distributes the sends, so that the Sender
	// reads the channel's outbox. Otherwise it reads all sends itself, which only one
	// Sender may do. This takes a third of the time and half the bytes in the store:
	// see docs/adr/0007-outbox-per-channel.md.
	Dispatched bool

	// Self returns the bot's name as the server spells it.
	Self func() string
	// Behind, if set, reports whether frames wait to be recorded, an echo perhaps
	// among them.
	Behind func() bool
	// MaySpeak, if set, is asked right before each write: a process that lost the
	// lease of the channel must not speak there.
	MaySpeak func() bool

	Logger    *slog.Logger              // nil discards
	Observer  Observer                  // nil ignores
	OnSettled func(consumers.Outcome)   // if set, is called after each delivery
	Count     func(update func(*Stats)) // if set, is called to count what the Sender does
}

func (c Config) withDefaults() Config {
	c.MessageLimit = cmp.Or(c.MessageLimit, DefaultMessageLimit)
	c.MaxAge = cmp.Or(c.MaxAge, DefaultMaxAge)
	c.EchoTimeout = cmp.Or(c.EchoTimeout, DefaultEchoTimeout)
	if c.Count == nil {
		c.Count = func(func(*Stats)) {}
	}
	if c.Behind == nil {
		c.Behind = func() bool { return false }
	}
	if c.MaySpeak == nil {
		c.MaySpeak = func() bool { return true }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observer == nil {
		c.Observer = ignore{}
	}
	return c
}

// Sender speaks a channel's sends, one message at a time and in order. A send is done
// when the channel's echo of it is recorded.
type Sender struct {
	// Echoes must get what the server answers.
	Echoes *EchoTracker

	cfg     Config
	bus     *streams.Bus
	history *history.Reader
	started time.Time
	begun   uint64          // sequence of the latest send that was begun
	stop    <-chan struct{} // closed when nothing new may be begun
}

// New returns a Sender. It speaks while Run runs and Echoes has a Writer.
func New(bus *streams.Bus, cfg Config) *Sender {
	return &Sender{
		Echoes: newEchoTracker(cfg.Limit), cfg: cfg.withDefaults(), bus: bus,
		history: history.New(bus.JetStream(), cfg.Channel), started: time.Now(),
	}
}

var (
	errStopping  = errors.New("the bot is stopping")
	errLeaseLost = errors.New("another process holds the lease of the channel")
)

// handle speaks a send and returns no event once its echo is recorded, otherwise the
// cytube.delivery that says why it was not confirmed.
func (s *Sender) handle(ctx context.Context, send streams.Stored) ([]event.Envelope, error) {
	parts, name, err := messagesOf(send, s.cfg.MessageLimit, trace.SpanContextFromContext(ctx))
	switch {
	case err != nil:
		return nil, consumers.Permanent(err)
	case !s.accepts(name):
		return s.delivery(ctx, send, event.DeliveryRefused, "the bot is not in channel "+name)
	case len(parts) == 0:
		return s.delivery(ctx, send, event.DeliveryRefused, "the message is blank")
	case len(parts) > maxParts:
		return s.delivery(ctx, send, event.DeliveryRefused, fmt.Sprintf("it would take %d lines, and a send may take %d", len(parts), maxParts))
	}
	// The deadline is by the monotonic clock, which steps of the wall clock leave alone.
	age := consumers.Now(ctx).Sub(send.At)
	deadline := time.Now().Add(s.cfg.MaxAge - max(age, 0))
	// The count of deliveries is no proof that this is the first: a NATS server that
	// crashes forgets the latest. Nor is the age, if the clock was set back.
	repeated := send.Attempt > 1 || send.Ref.Seq <= s.begun || !send.At.After(s.started) || age < 0
	s.begun = max(s.begun, send.Ref.Seq)
	var heard map[int]bool
	if repeated {
		if over, err := s.history.Delivered(ctx, send.Ref); err != nil || over {
			return nil, err
		}
	}
	if expired := send.Attempt == 1 && time.Now().After(deadline); repeated && !expired {
		if heard, err = s.heardBefore(ctx, send, parts); err != nil {
			return nil, err
		}
	}
	for _, m := range parts {
		if heard[m.Part] {
			continue
		}
		f, err := s.speak(ctx, m, deadline)
		if err != nil {
			return nil, err
		}
		if f != nil {
			if m.Part > 1 {
				f.reason += fmt.Sprintf(" (part %d of %d; those before were heard)", m.Part, m.Parts)
			}
			return s.delivery(ctx, send, f.status, f.reason)
		}
	}
	return nil, nil
}

// heardBefore returns which parts of a send the channel has heard. It waits until the
// bot has joined, because then the chat buffer is recorded.
func (s *Sender) heardBefore(ctx context.Context, send streams.Stored, parts []*Message) (map[int]bool, error) {
	for {
		_, up, changed := s.Echoes.turn(parts[0])
		if up {
			break
		}
		select {
		case <-changed:
		case <-s.stop:
			return nil, errStopping
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	heard, err := s.heard(ctx, send.Ref, parts, s.cfg.Self())
	if err == nil && len(heard) > 0 {
		s.cfg.Logger.InfoContext(ctx, "send already echoed", "send", send.Ref.String(), "parts", len(heard), "of", len(parts))
	}
	return heard, err
}

// heard returns which parts of a send are recorded: lines that name the send as their
// cause, or that say the same under the bot's name and name no cause.
func (s *Sender) heard(ctx context.Context, send event.Ref, parts []*Message, self string) (map[int]bool, error) {
	echoes, err := s.history.Echoes(ctx, send, parts[0].pm)
	if err != nil {
		return nil, err
	}
	heard := map[int]bool{}
	for _, e := range echoes {
		switch {
		case e.Cause == send:
			heard[e.Part] = true
		case e.User == self:
			for _, m := range parts {
				if !heard[m.Part] && m.matches(e.Line) {
					heard[m.Part] = true
					break
				}
			}
		}
	}
	return heard, nil
}

// delivery returns the event that says that a send was not confirmed, and why.
func (s *Sender) delivery(ctx context.Context, send streams.Stored, status, reason string) ([]event.Envelope, error) {
	s.cfg.Count(func(n *Stats) { n.delivered(status) })
	s.cfg.Logger.WarnContext(ctx, "send not confirmed", "send", send.Ref.String(), "status", status, "reason", reason)
	e, err := event.New(event.SubjectDelivery, event.Delivery{
		Channel: s.cfg.Channel, Status: status, Reason: reason, Send: send.Ref.String(),
	})
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	return []event.Envelope{e}, nil
}
