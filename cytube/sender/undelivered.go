package sender

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// The values of Config.UndeliveredPM. With each of them, the bot says to a user whose
// command made it write to somebody else that this failed, and never repeats the text.
const (
	UndeliveredDrop = "drop" // it is recorded as refused
	UndeliveredWait = "wait" // it is sent if the receiver is back before it is older than MaxAge
	UndeliveredChat = "chat" // as with drop, and a line in the channel says so to who typed the command there
)

// absent reports whether the server refused a private message because its receiver is not in
// the channel. It takes those to users who ignore the bot.
func (f *failure) absent() bool {
	return f.status == event.DeliveryRefused && strings.Contains(f.reason, "isn't connected to this channel")
}

// maxFollowing is how many private messages to one user may wait.
const maxFollowing = 200

// follow has a private message wait for those to the same user that came before, where they may
// wait for that user. full says that too many do. Without that, leave must be called when the
// message is over.
func (s *Sender) follow(ctx context.Context, m *Message) (leave func(), full bool, err error) {
	if !m.pm || s.cfg.UndeliveredPM != UndeliveredWait {
		return func() {}, false, nil
	}
	to := strings.ToLower(m.to)
	s.mu.Lock()
	queue := s.receivers[to]
	if queue == nil {
		queue = newTurns()
		s.receivers[to] = queue
	}
	place, _ := queue.enter("", maxFollowing)
	s.mu.Unlock()
	if place == nil {
		return nil, true, nil
	}
	leave = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if queue.leave(place); !queue.busy() {
			delete(s.receivers, to)
		}
	}
	consumers.ReadNext(ctx) // the next may take its place behind this one
	if err := s.await(ctx, place.ready); err != nil {
		leave()
		return nil, false, err
	}
	return leave, false, nil
}

// awaitReceiver waits for the receiver of a private message that failed, if it is to wait. back
// says that it can be sent again.
func (s *Sender) awaitReceiver(ctx context.Context, send streams.Stored, m *Message, f *failure, tries int) (back bool, err error) {
	if s.cfg.UndeliveredPM != UndeliveredWait || !f.absent() || tries == maxWrites {
		return false, nil
	}
	s.cfg.Logger.InfoContext(ctx, "private message waits for its receiver", "send", send.Ref.String(), "channel", s.cfg.Channel)
	deadline := time.NewTimer(time.Until(s.deadline(ctx, send)))
	defer deadline.Stop()
	for {
		frame := s.Calls.next()
		_, _, session := s.Echoes.session()
		err := s.cfg.Inspect(ctx, func(st *channel.State) { _, back = st.User(m.to) })
		if back || err != nil && !errors.Is(err, ErrNoSession) {
			return back, err
		}
		select {
		case <-frame:
		case <-session:
		case <-deadline.C:
			f.reason += fmt.Sprintf(", and did not come back before the message was older than %s", s.cfg.MaxAge)
			return false, nil
		case <-s.stop:
			return false, consumers.ErrStopping
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// failed returns the events that say that a send was given up: its cytube.delivery and, before
// it, so that a crash between the two loses neither, what is said of that.
func (s *Sender) failed(ctx context.Context, send streams.Stored, m *Message, f *failure) ([]event.Envelope, error) {
	var out []event.Envelope
	if m.pm {
		notice, ok, err := s.notice(ctx, send, m, f)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, notice)
		}
	}
	e, err := s.delivery(ctx, send, event.Delivery{Channel: s.cfg.Channel, Status: f.status, Reason: f.reason})
	return append(out, e), consumers.Permanent(err)
}

// notice returns the send that says to the user whose command caused a private message that the bot
// gave it up: privately, if it was for another. ok is false if there is no such user.
func (s *Sender) notice(ctx context.Context, send streams.Stored, m *Message, f *failure) (notice event.Envelope, ok bool, err error) {
	asked, inChat, err := s.commandOf(ctx, send)
	if err != nil || asked == nil {
		return notice, false, err
	}
	own := channel.SameName(asked.User, m.to)
	if own && !(inChat && s.cfg.UndeliveredPM == UndeliveredChat) {
		return notice, false, nil
	}
	text := s.cfg.Words(ctx, asked.Channel, undelivered(asked.User, m.to, own, f.status == event.DeliveryUnconfirmed, s.cfg.Words(ctx, asked.Channel, event.ReasonPhrase(f.reason))))
	switch {
	case text == "":
		return notice, false, nil
	case own:
		notice, err = event.New(event.SubjectSendChat, event.SendChat{Channel: asked.Channel, Message: text})
	default:
		notice, err = event.New(event.SubjectSendPM, event.SendPM{To: asked.User, Channel: asked.Channel, Message: text})
	}
	return notice, err == nil, consumers.Permanent(err)
}

// undelivered returns the phrase about a private message that the bot gave up, for the user whose
// command caused it; own says that the message was for that user.
func undelivered(user, to string, own, unsure bool, reason string) event.Phrase {
	p := event.Phrase{Text: "undelivered", Values: map[string]any{"user": user, "to": to, "own": own, "unsure": unsure, "reason": reason}}
	switch {
	case own:
		p.Message = user + ": a private message of mine did not reach you."
	case unsure:
		p.Message = fmt.Sprintf("⚠️ My private message to %s may not have arrived: %s", to, reason)
	default:
		p.Message = fmt.Sprintf("⚠️ My private message to %s was not delivered: %s", to, reason)
	}
	return p
}

// maxCauses bounds how many causes are read: a plugin may name any event as one.
const maxCauses = 20

// commandOf returns the command that caused a send, nil if none did, and whether it was typed in
// chat.
func (s *Sender) commandOf(ctx context.Context, send streams.Stored) (command *event.Command, inChat bool, err error) {
	cause := send
	for range maxCauses {
		var ok bool
		if cause, ok, err = s.causeOf(ctx, cause.Envelope); err != nil || !ok {
			return nil, false, err
		}
		if !event.Match(event.CommandSubject("*"), cause.Subject) {
			continue
		}
		c, err := event.As[event.Command](cause.Envelope)
		if err != nil {
			return nil, false, nil //nolint:nilerr // it names nobody
		}
		typed, ok, err := s.causeOf(ctx, cause.Envelope)
		return &c, ok && typed.Subject == event.SubjectChat, err
	}
	return nil, false, nil
}
