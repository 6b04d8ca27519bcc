package cytube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// How often a message is written before the sender gives up on it.
const (
	maxWrites = 3 // without an answer
	maxLosses = 5 // with the connection breaking off each time
	maxDrops  = 5 // with the server's flood control in the way
)

// maxParts is how many lines a send may take: a channel can hear them before a send
// is too old, and another's answer does not wait for them longer than that.
const maxParts = 100

// patientEchoes is how many EchoTimeouts more an echo is waited for while what
// the server sent is not all looked at, as when people flood the channel.
const patientEchoes = 5

// patientReads is how often a send is looked for that an outbox refers to.
const patientReads = 3

// sender speaks what cytube.send.* asks for, one message at a time and in order.
// A send is done when the channel's echo of it is recorded.
type sender struct {
	cfg     Config
	voice   *voice
	history *history
	self    func() string // the bot's name as the server spells it
	behind  func() bool   // tells that frames wait to be recorded, the echo perhaps among them
	left    bool          // no bot is in the channel any more
	started time.Time
	begun   uint64          // sequence of the last send that was begun
	stop    <-chan struct{} // closed when nothing new may be begun
	log     *slog.Logger
	stats   *counters
	observe Observer
	settled func(consumers.Outcome)
}

var (
	errStopping = errors.New("the bot is stopping")
	errSilenced = errors.New("another process may speak in the channel now")
)

// config is the sender's durable consumer.
func (s *sender) config() consumers.Config {
	return consumers.Config{
		Durable: s.cfg.durable(), Stream: streams.Cytube, Name: s.cfg.durable(), Logger: s.log, Observe: s.settled, Ordered: true,
		Subjects: s.cfg.sends(),
		// A send expires before it runs out of attempts: the bot may be killed
		// many times while it speaks.
		Backoff: []time.Duration{time.Second}, Attempts: 1000,
	}
}

// handle is the consumer's Handler. It returns the cytube.delivery of a send
// that was not heard, and nothing for one that was.
func (s *sender) handle(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
	if s.cfg.Dispatched {
		send, ok, err := s.history.referred(ctx, d)
		switch {
		case event.CodeOf(err) == event.InvalidInput:
			return nil, consumers.Permanent(err)
		case err != nil:
			return nil, err
		case !ok && d.Attempt < patientReads:
			return nil, fmt.Errorf("the send that %s refers to is not there: a replica may not have it yet", d.Ref)
		case !ok: // erased, or too old
			return nil, nil
		}
		d = send
	}
	parts, channel, err := utterances(d, s.cfg.MessageLimit, trace.SpanContextFromContext(ctx))
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	if !s.cfg.accepts(channel) {
		return s.delivery(ctx, d, event.DeliveryRefused, "the bot is not in channel "+channel)
	}
	if s.left {
		return s.refuse(ctx, d, parts)
	}
	if len(parts) == 0 {
		return s.delivery(ctx, d, event.DeliveryRefused, "the message is blank")
	}
	if len(parts) > maxParts {
		return s.delivery(ctx, d, event.DeliveryRefused, fmt.Sprintf("it would take %d lines, and a send may take %d", len(parts), maxParts))
	}
	// From here on time goes by the machine's, whatever becomes of its clock. One
	// that was set back knows not what came before s.started.
	age := consumers.Now(ctx).Sub(d.At)
	again := d.Attempt > 1 || d.Ref.Seq <= s.begun || !d.At.After(s.started) || age < 0
	deadline := time.Now().Add(s.cfg.MaxAge - max(age, 0))
	s.begun = max(s.begun, d.Ref.Seq)
	heard, err := s.heardBefore(ctx, d, parts, again, deadline)
	if err != nil {
		return nil, err
	}
	for _, u := range parts {
		if heard[u.part] {
			continue
		}
		status, reason, err := s.speak(ctx, d, u, deadline)
		if err != nil {
			return nil, err
		}
		if status != "" {
			if u.part > 1 {
				reason += fmt.Sprintf(" (part %d of %d; those before were heard)", u.part, u.parts)
			}
			return s.delivery(ctx, d, status, reason)
		}
	}
	return nil, nil
}

// utterances makes the messages that a send consists of.
func utterances(d streams.Stored, limit int, span trace.SpanContext) (parts []*utterance, channel string, err error) {
	u := utterance{send: d.Ref, correlation: d.CorrelationID, span: span}
	text, channel, err := u.of(d)
	if err != nil {
		return nil, "", err
	}
	prefix := ""
	if u.action {
		prefix = emotePrefix
	}
	texts := split(text, prefix, limit)
	for i, t := range texts {
		part := u
		part.part, part.parts, part.text, part.echo = i+1, len(texts), t, normal(t[len(prefix):])
		part.notices = make(chan struct{}, 1)
		parts = append(parts, &part)
	}
	return parts, channel, nil
}

const emotePrefix = "/me "

// of makes u the utterance of a send, but for its text and the channel that the
// send names, if any.
func (u *utterance) of(d streams.Stored) (text, channel string, err error) {
	switch d.Subject {
	case event.SubjectSendPM:
		p, err := event.As[event.SendPM](d.Envelope)
		u.pm, u.to = true, p.To
		return p.Message, p.Channel, err
	case event.SubjectSendEmote:
		e, err := event.As[event.SendEmote](d.Envelope)
		u.action = true
		return e.Emote, e.Channel, err
	default:
		c, err := event.As[event.SendChat](d.Envelope)
		return c.Message, c.Channel, err
	}
}

// heardBefore finds what the channel has heard of a send already, if it may have
// been spoken before: again. The count of attempts does not tell, since a NATS
// server that crashes forgets the latest. For that the bot must have joined, so
// that what the chat buffer tells is recorded.
func (s *sender) heardBefore(ctx context.Context, d streams.Stored, parts []*utterance, again bool, deadline time.Time) (map[int]bool, error) {
	if !again {
		return nil, nil
	}
	if d.Attempt == 1 && time.Now().After(deadline) {
		return nil, nil // will not be spoken anyway
	}
	for {
		_, up, changed := s.voice.turn(parts[0])
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
	heard, err := s.history.spoken(ctx, d.Ref, parts, s.self())
	if err == nil && len(heard) > 0 {
		s.log.InfoContext(ctx, "the channel has heard this already", "send", d.Ref.String(), "parts", len(heard), "of", len(parts))
	}
	return heard, err
}

// speak says one message and waits for its echo. The status is that of the
// cytube.delivery when the message was not heard, and "" when it was.
func (s *sender) speak(ctx context.Context, d streams.Stored, u *utterance, deadline time.Time) (status, reason string, err error) {
	defer s.voice.done(u)
	var writes, silent, losses, drops int
	for {
		answered, err := s.awaitTurn(ctx, u, deadline)
		if errors.Is(err, errExpired) {
			if !s.voice.giveUp(u) {
				continue
			}
			return event.DeliveryExpired, fmt.Sprintf("older than %s when it could be spoken", s.cfg.MaxAge), nil
		}
		if err != nil {
			return "", "", err
		}
		if !answered {
			if !s.cfg.MaySpeak() {
				return "", "", errSilenced
			}
			err := s.voice.say(ctx, u)
			if errors.Is(err, errNoSession) || errors.Is(err, errAnswered) {
				continue
			}
			if err != nil {
				s.log.DebugContext(ctx, "writing to the server failed", "error", err)
			}
			if s.stats.sent.Add(1); writes > 0 {
				s.stats.resent.Add(1)
				s.observe.Resent(ctx, s.cfg.Channel)
			}
			writes++
		}
		got, note, err := s.awaitAnswer(ctx, u)
		if err != nil {
			return "", "", err
		}
		switch got {
		case heard:
			s.stats.echoed.Add(1)
			s.log.InfoContext(ctx, "response sent", "send", d.Ref.String(), "message", u.loggable())
			return "", "", nil
		case refused:
			return event.DeliveryRefused, note, nil
		case dropped:
			if drops++; drops == maxDrops {
				return event.DeliveryRefused, "the channel's flood control did not let it through", nil
			}
			s.log.DebugContext(ctx, "the server dropped a line for flooding; it will be said again", "send", d.Ref.String())
		case lost:
			if losses++; losses == maxLosses {
				return event.DeliveryUnconfirmed, fmt.Sprintf("the connection broke off each of %d times", losses), nil
			}
		default:
			s.observe.EchoMissed(ctx, s.cfg.Channel)
			if silent++; silent >= maxWrites && s.voice.giveUp(u) {
				return event.DeliveryUnconfirmed, fmt.Sprintf("said %d times, and the channel echoed nothing within %s", silent, s.cfg.EchoTimeout), nil
			}
			s.log.WarnContext(ctx, "no echo of what was said; it will be said again", "send", d.Ref.String(), "after", s.cfg.EchoTimeout)
		}
	}
}

var errExpired = errors.New("the send is too old")

// awaitTurn waits until u may be said. Answered tells that an answer to an
// earlier writing came meanwhile.
func (s *sender) awaitTurn(ctx context.Context, u *utterance, deadline time.Time) (answered bool, err error) {
	for {
		if s.voice.answered(u) {
			return true, nil
		}
		at, up, changed := s.voice.turn(u)
		now := time.Now()
		if now.After(deadline) {
			return false, errExpired
		}
		if up && !now.Before(at) {
			return false, nil
		}
		if !up || at.After(deadline) {
			at = deadline
		}
		select {
		case <-time.After(at.Sub(now) + time.Millisecond):
		case <-changed:
		case <-u.notices:
		case <-s.stop:
			err = errStopping
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return false, err
		}
	}
}

// awaitAnswer waits for what becomes of u: heard, dropped, refused, lost, or
// waiting when the echo did not come in time.
func (s *sender) awaitAnswer(ctx context.Context, u *utterance) (state, string, error) {
	timer := time.NewTimer(s.cfg.EchoTimeout)
	defer timer.Stop()
	late, stop := timer.C, (<-chan struct{})(nil)
	for patience := patientEchoes; ; {
		got, note := s.voice.what(u)
		switch got {
		case heard, dropped, refused, lost:
			return got, note, nil
		case claimed:
			late = nil // the echo is there and must only be stored
		case down:
			late, stop = nil, s.stop
		}
		select {
		case <-u.notices:
		case <-late:
			if patience--; patience < 0 || !s.behind() {
				return waiting, "", nil
			}
			timer.Reset(s.cfg.EchoTimeout)
		case <-stop:
			return got, "", errStopping
		case <-ctx.Done():
			return got, "", ctx.Err()
		}
	}
}

func (s *sender) delivery(ctx context.Context, d streams.Stored, status, reason string) ([]event.Envelope, error) {
	s.stats.delivered(status)
	s.log.WarnContext(ctx, "a send was not heard", "send", d.Ref.String(), "status", status, "reason", reason)
	e, err := event.New(event.SubjectDelivery, event.Delivery{
		Channel: s.cfg.Channel, Status: status, Reason: reason, Send: d.Ref.String(),
	})
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	return []event.Envelope{e}, nil
}
