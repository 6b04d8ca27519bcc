// Package sender speaks in a channel what cytube.send.* events ask for: paced by the
// channel's flood limit, split to its length limit, and confirmed by the channel's
// echo.
package sender

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube/ability"
	"github.com/rosey-bot/rosey/cytube/internal/history"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// The defaults of a Config.
const (
	defaultMessageLimit = 240
	DefaultMaxAge       = 2 * time.Minute
	defaultEchoTimeout  = 10 * time.Second
)

// maxParts is how many lines a send may take, so that other sends do not expire behind it.
const maxParts = 100

// Sender speaks a channel's sends, one message at a time and in order. A send is done
// when the channel's echo of it is recorded.
type Sender struct {
	// Echoes and Calls must get what the server answers.
	Echoes *EchoTracker
	Calls  *CallTracker

	cfg     Config
	bus     *streams.Bus
	history *history.Reader
	started time.Time
	stop    <-chan struct{} // closed when nothing new may be begun
	turns   *turns
	calls   *turns // of what is asked of the channel beside speaking
	queued  pacer  // what was queued; used by the call whose turn it is

	mu        sync.Mutex
	begun     uint64                   // sequence of the latest send that was begun
	inHand    map[uint64]chan struct{} // the sends that are being handled; closed when they are not
	receivers map[string]*turns        // of private messages; see follow

	reading    sync.Mutex
	past       *history.Outcomes // see outcomes
	pastJoined bool              // it holds the chat buffer
}

// New returns a Sender. It speaks while Run runs and Echoes has a Writer.
func New(bus *streams.Bus, cfg Config) *Sender {
	cfg = cfg.WithDefaults()
	return &Sender{
		Echoes: newEchoTracker(cfg.limit()), cfg: cfg, bus: bus,
		history: history.New(bus.JetStream(), cfg.Channel), started: time.Now(),
		Calls: &CallTracker{}, turns: newTurns(), calls: newTurns(),
		inHand: map[uint64]chan struct{}{}, receivers: map[string]*turns{},
	}
}

var errLeaseLost = errors.New("another process holds the lease of the channel")

// handle speaks a send in its turn and returns no event once its echo is recorded,
// otherwise the cytube.delivery that says why it was not confirmed.
func (s *Sender) handle(ctx context.Context, send streams.Stored) ([]event.Envelope, error) {
	if ability.Is(send.Subject) {
		return s.handleCall(ctx, send)
	}
	parts, name, err := s.messages(send, trace.SpanContextFromContext(ctx))
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	if mine, err := s.takes(ctx, send, name); err != nil || !mine {
		return nil, err
	}
	switch {
	case len(parts) == 0:
		return s.refused(ctx, send, "the message is blank")
	case len(parts) > maxParts:
		return s.refused(ctx, send, fmt.Sprintf("it would take %d lines, and a send may take %d", len(parts), maxParts))
	}
	repeated, again, release, err := s.begin(ctx, send)
	if err != nil {
		return nil, err
	}
	defer release()
	leave, full, err := s.follow(ctx, parts[0])
	switch {
	case err != nil:
		return nil, err
	case full:
		return s.refused(ctx, send, "too many private messages wait for their receiver")
	}
	defer leave()
	for tries := 1; ; tries++ {
		out, failed, err := s.speakInTurn(ctx, send, parts, repeated, again)
		if failed == nil || err != nil {
			return out, err
		}
		if back, err := s.awaitReceiver(ctx, send, parts[0], failed, tries); err != nil {
			return nil, err
		} else if !back {
			return s.failed(ctx, send, parts[0], failed)
		}
		if parts, _, err = s.messages(send, trace.SpanContextFromContext(ctx)); err != nil {
			return nil, consumers.Permanent(err)
		}
		repeated, again = true, true
	}
}

// speakInTurn speaks a send in the turn of its user. It returns why that failed, or events that
// say that too many wait.
func (s *Sender) speakInTurn(ctx context.Context, send streams.Stored, parts []*Message, repeated, again bool) ([]event.Envelope, *failure, error) {
	user := ""
	if s.turns.busy() { // else it is its turn whoever asked for it
		var err error
		if user, err = s.userOf(ctx, send); err != nil {
			return nil, nil, err
		}
	}
	place, tell := s.turns.enter(user, s.backlog(user))
	if place == nil {
		out, err := s.tooMany(ctx, send, user, tell)
		return out, nil, err
	}
	defer s.turns.leave(place)
	consumers.ReadNext(ctx) // the next may take its place behind this one
	if err := s.await(ctx, place.ready); err != nil {
		return nil, nil, err
	}
	failed, err := s.speakParts(ctx, send, parts, repeated, again)
	return nil, failed, err
}

// takes reports whether a send that names a channel is this Sender's.
func (s *Sender) takes(ctx context.Context, send streams.Stored, name string) (bool, error) {
	switch {
	case !s.speaks(name):
		return false, s.passOver(ctx, send, name)
	case name == "" && s.cfg.Channels != nil:
		return s.claim(ctx, send)
	}
	return true, nil
}

// begin waits until an earlier delivery of the same send, whose acknowledgement was lost,
// is over. repeated says that the send may have been spoken before, again that this
// process had it before.
func (s *Sender) begin(ctx context.Context, send streams.Stored) (repeated, again bool, release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.inHand[send.Ref.Seq] != nil {
		over := s.inHand[send.Ref.Seq]
		s.mu.Unlock()
		consumers.ReadNext(ctx) // those behind it need not wait
		select {
		case <-over:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if s.mu.Lock(); err != nil {
			return false, false, nil, err
		}
	}
	// The count of deliveries is no proof that this is the first: a NATS server that
	// crashes forgets the latest. Nor is the age, if the clock was set back.
	again = send.Ref.Seq <= s.begun
	repeated = again || send.Attempt > 1 || !send.At.After(s.started) || consumers.Now(ctx).Before(send.At)
	s.begun = max(s.begun, send.Ref.Seq)
	over := make(chan struct{})
	s.inHand[send.Ref.Seq] = over
	return repeated, again, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.inHand, send.Ref.Seq)
		close(over)
	}, nil
}

// backlogTime is how long it may take to speak the pending sends of one user.
const backlogTime = 30 * time.Second

// backlog returns how many sends of a user may wait. What no user asked for is not
// limited.
func (s *Sender) backlog(user string) int {
	if strings.HasPrefix(user, " ") {
		return math.MaxInt
	}
	perSecond, _, _ := s.Echoes.session()
	return max(10, int(perSecond*backlogTime.Seconds()))
}

// tooMany refuses a send of a user of whom too many wait. The first time it tells the
// user.
func (s *Sender) tooMany(ctx context.Context, send streams.Stored, user string, tell bool) ([]event.Envelope, error) {
	out, err := s.refused(ctx, send, "too many answers wait for "+user)
	if err != nil || !tell {
		return out, err
	}
	text := s.cfg.Words(ctx, s.cfg.Channel, event.Phrase{
		Text: "backlog", Values: map[string]any{"user": user},
		Message: user + ": too many of your answers are waiting, and no more are given until these are said.",
	})
	if text == "" {
		return out, nil
	}
	notice, err := event.New(event.SubjectSendChat, event.SendChat{Channel: s.cfg.Channel, Message: text})
	return append(out, notice), consumers.Permanent(err)
}

// deadline returns when a send is too old, by the monotonic clock, which steps of the wall clock
// leave alone.
func (s *Sender) deadline(ctx context.Context, send streams.Stored) time.Time {
	age := consumers.Now(ctx).Sub(send.At)
	return time.Now().Add(s.cfg.MaxAge - max(age, 0))
}

// speakParts speaks a send whose turn it is. It returns a failure once a part is given up.
func (s *Sender) speakParts(ctx context.Context, send streams.Stored, parts []*Message, repeated, again bool) (*failure, error) {
	deadline := s.deadline(ctx, send)
	parts, err := s.atServersLimit(ctx, send, parts, deadline)
	if err != nil {
		return nil, err
	}
	var spoken map[int]bool
	if repeated {
		if !time.Now().After(deadline) {
			if err := s.awaitSession(ctx); err != nil {
				return nil, err
			}
		}
		outcomes, err := s.outcomes(ctx, send, again)
		if err != nil || outcomes.Delivered[send.Ref] {
			return nil, err
		}
		if spoken = heard(outcomes, send.Ref, parts); len(spoken) > 0 {
			s.cfg.Logger.InfoContext(ctx, "send already echoed", "send", send.Ref.String(), "parts", len(spoken), "of", len(parts))
		}
	}
	for len(parts) > 0 {
		m := parts[0]
		parts = parts[1:]
		if spoken[m.Part] {
			continue
		}
		f, err := s.speak(ctx, m, deadline)
		if rest := s.restOf(ctx, m); err == nil && f == nil && len(rest) > 0 {
			parts = append(rest, parts...)
		}
		if err != nil {
			return nil, err
		}
		if f != nil {
			if m.Part > 1 {
				f.reason += fmt.Sprintf(" (part %d of %d; those before were heard)", m.Part, m.Parts)
			}
			return f, nil
		}
	}
	return nil, nil
}

// atServersLimit returns the parts of a send, split anew if the server had not told its limit
// and has once there is a session.
func (s *Sender) atServersLimit(ctx context.Context, send streams.Stored, parts []*Message, deadline time.Time) ([]*Message, error) {
	if s.Echoes.knowsLimit() {
		return parts, nil
	}
	waiting, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err := s.awaitSession(waiting)
	if err == nil && s.Echoes.knowsLimit() {
		parts, _, err = s.messages(send, trace.SpanContextFromContext(ctx))
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = nil // it is too old to be spoken, as speak finds
	}
	return parts, err
}

// restOf returns messages that say what the server cut off of m, so that lines to come are
// not longer.
func (s *Sender) restOf(ctx context.Context, m *Message) (rest []*Message) {
	text, limit := s.Echoes.restOf(m)
	if text == "" {
		return nil
	}
	s.cfg.Logger.WarnContext(ctx, "line cut by the server", "channel", s.cfg.Channel, "send", m.Send.String(), "limit", limit)
	return m.parts(cut(text, m.prefix(), limit))
}

// refused returns the event that says why a send is not spoken.
func (s *Sender) refused(ctx context.Context, send streams.Stored, reason string) ([]event.Envelope, error) {
	e, err := s.delivery(ctx, send, event.Delivery{Channel: s.cfg.Channel, Status: event.DeliveryRefused, Reason: reason})
	return []event.Envelope{e}, consumers.Permanent(err)
}

// delivery returns the event that says that a send was not confirmed.
func (s *Sender) delivery(ctx context.Context, send streams.Stored, d event.Delivery) (event.Envelope, error) {
	d = s.about(send, d)
	s.cfg.Count(func(n *Stats) { n.delivered(d.Status) })
	s.cfg.Logger.WarnContext(ctx, "send not confirmed", "send", d.Send, "channel", d.Channel, "status", d.Status, "reason", event.Personal(d.Reason))
	return event.New(event.SubjectDelivery, d)
}

// about completes a delivery with what it says of its send.
func (s *Sender) about(send streams.Stored, d event.Delivery) event.Delivery {
	d.Send, d.Subject, d.Source = send.Ref.String(), send.Subject, send.Meta(event.MetaSource)
	if ability.Is(send.Subject) {
		d.For = ability.ForOf(send.Envelope)
	}
	return d
}
