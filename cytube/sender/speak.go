package sender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
)

// How often a message is written before the sender gives up on it.
const (
	maxWrites = 3 // without an answer
	maxLosses = 5 // with the connection lost each time
	maxDrops  = 5 // with flood control dropping it each time
)

// echoExtensions is how many EchoTimeouts more an echo is waited for while frames wait
// to be recorded, as when people flood the channel.
const echoExtensions = 5

// failure is why a message was given up: status and reason of its cytube.delivery.
type failure struct{ status, reason string }

// attempts counts the writes of a message by how they ended.
type attempts struct{ silent, losses, drops int }

// speak writes a message, again where that is needed, until its echo is recorded. It
// returns a failure once the message is given up.
func (s *Sender) speak(ctx context.Context, m *Message, deadline time.Time) (*failure, error) {
	defer s.Echoes.done(m)
	var failed attempts
	for written := false; ; {
		answered, err := s.awaitTurn(ctx, m, deadline)
		switch {
		case errors.Is(err, errExpired) && s.Echoes.giveUp(m):
			return &failure{event.DeliveryExpired, fmt.Sprintf("older than %s when it could be spoken", s.cfg.MaxAge)}, nil
		case errors.Is(err, errExpired):
			continue
		case err != nil:
			return nil, err
		}
		if !answered {
			switch err := s.write(ctx, m, written); {
			case errors.Is(err, ErrNoSession), errors.Is(err, errAnswered):
				continue
			case err != nil:
				return nil, err
			}
			written = true
		}
		got, note, err := s.awaitAnswer(ctx, m)
		if err != nil {
			return nil, err
		}
		switch got {
		case confirmed:
			s.cfg.Count(func(n *Stats) { n.Echoed++ })
			s.cfg.Logger.InfoContext(ctx, "response sent", "send", m.Send.String(), "message", event.Personal(m.loggable()))
			return nil, nil
		case refused:
			return &failure{event.DeliveryRefused, note}, nil
		}
		if f := s.unconfirmed(ctx, m, got, &failed); f != nil {
			return f, nil
		}
	}
}

// write writes a message. An error of the connection is not returned: the message may
// have arrived.
func (s *Sender) write(ctx context.Context, m *Message, again bool) error {
	if !s.cfg.MaySpeak() {
		return errLeaseLost
	}
	err := s.Echoes.write(ctx, m)
	if errors.Is(err, ErrNoSession) || errors.Is(err, errAnswered) {
		return err
	}
	if err != nil {
		s.cfg.Logger.DebugContext(ctx, "write to the server failed", "error", err)
	}
	s.cfg.Count(func(n *Stats) { n.Sent++ })
	if again {
		s.cfg.Count(func(n *Stats) { n.Resent++ })
		s.cfg.Observer.Resent(ctx, s.cfg.Channel)
	}
	return nil
}

// unconfirmed counts an attempt that was not confirmed. It returns a failure if that was the
// last one.
func (s *Sender) unconfirmed(ctx context.Context, m *Message, got state, n *attempts) *failure {
	switch got {
	case dropped:
		if n.drops++; n.drops == maxDrops {
			return &failure{event.DeliveryRefused, "the channel's flood control did not let it through"}
		}
		s.cfg.Logger.DebugContext(ctx, "line dropped by flood control, resending", "send", m.Send.String())
	case lost:
		if n.losses++; n.losses == maxLosses {
			return &failure{event.DeliveryUnconfirmed, fmt.Sprintf("the connection broke off each of %d times", n.losses)}
		}
	default:
		s.cfg.Observer.EchoMissed(ctx, s.cfg.Channel)
		if n.silent++; n.silent >= maxWrites && s.Echoes.giveUp(m) {
			return &failure{event.DeliveryUnconfirmed, fmt.Sprintf("said %d times, and the channel echoed nothing within %s", n.silent, s.cfg.EchoTimeout)}
		}
		s.cfg.Logger.WarnContext(ctx, "echo timeout, resending", "send", m.Send.String(), "after", s.cfg.EchoTimeout)
	}
	return nil
}

var errExpired = errors.New("the send is too old")

// awaitTurn waits until m may be written, or was answered after all. The error is
// errExpired once the deadline is over.
func (s *Sender) awaitTurn(ctx context.Context, m *Message, deadline time.Time) (answered bool, err error) {
	for {
		if got, _ := s.Echoes.status(m); got.answered() {
			return true, nil
		}
		at, up, changed := s.Echoes.turn(m)
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
		case <-m.changed:
		case <-s.stop:
			return false, consumers.ErrStopping
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// awaitAnswer waits until m is confirmed, dropped, refused or lost. It returns waiting
// if the echo timed out.
func (s *Sender) awaitAnswer(ctx context.Context, m *Message) (state, string, error) {
	timer := time.NewTimer(s.cfg.EchoTimeout)
	defer timer.Stop()
	timeout, stop := timer.C, (<-chan struct{})(nil)
	for extensions := echoExtensions; ; {
		got, note := s.Echoes.status(m)
		switch got {
		case confirmed, dropped, refused, lost:
			return got, note, nil
		case claimed:
			timeout = nil // the echo came and must only be stored
		case disconnected:
			timeout, stop = nil, s.stop
		}
		select {
		case <-m.changed:
		case <-timeout:
			if extensions--; extensions < 0 || !s.cfg.FramesPending() {
				return waiting, "", nil
			}
			timer.Reset(s.cfg.EchoTimeout)
		case <-stop:
			return got, "", consumers.ErrStopping
		case <-ctx.Done():
			return got, "", ctx.Err()
		}
	}
}
