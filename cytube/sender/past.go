package sender

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube/ability"
	"github.com/rosey-bot/rosey/cytube/internal/history"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
)

// outcomes returns what is recorded about a send that may have been spoken before. What a
// process before this one left is read once for all of its sends: again says that this
// process had the send before.
func (s *Sender) outcomes(ctx context.Context, send streams.Stored, again bool) (*history.Outcomes, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	_, joined, _ := s.Echoes.session() // its chat buffer is recorded
	if again || s.past == nil || joined && !s.pastJoined || send.Ref.Seq < s.past.From {
		o, err := retry.Value(ctx, retry.Policy{
			Operation: "read what was spoken", Logger: s.cfg.Logger, If: func(error) bool { return !s.stopping() && !s.bus.Conn().IsClosed() },
		}, func(ctx context.Context) (*history.Outcomes, error) {
			return s.history.Outcomes(ctx, send.Ref.Seq, s.cfg.Self())
		})
		if err != nil || again {
			return o, err
		}
		s.past, s.pastJoined = o, joined
	}
	return s.past, nil
}

// awaitSession waits until the bot has joined, because then the chat buffer is recorded.
func (s *Sender) awaitSession(ctx context.Context) error {
	for {
		_, up, changed := s.Echoes.session()
		if up {
			return nil
		}
		select {
		case <-changed:
		case <-s.stop:
			return consumers.ErrStopping
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Sender) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// heard returns which parts of a send are recorded: lines that name the send as their
// cause, or that say the same under the bot's name and name no cause. Each of those is
// the echo of one part.
func heard(o *history.Outcomes, send event.Ref, parts []*Message) map[int]bool {
	heard := map[int]bool{}
	for part := range o.Heard[send] {
		heard[part] = true
	}
	o.Uncaused = slices.DeleteFunc(o.Uncaused, func(l history.Uncaused) bool {
		for _, m := range parts {
			if l.Seq > send.Seq && !heard[m.Part] && m.matches(l.Line) {
				heard[m.Part] = true
				return true
			}
		}
		return false
	})
	return heard
}

// RecoverInFlightSend looks for the sends that a process before this one may have been
// speaking when it died, and expects their echoes. It must run before the lines of the
// chat buffer are recorded: without it, an echo that the channel's filters changed would
// be recorded without a cause, and the send said twice. stoppedCleanly says that the
// process before announced its end.
func (s *Sender) RecoverInFlightSend(ctx context.Context, self string, stoppedCleanly bool) error {
	c, err := s.bus.JetStream().Consumer(ctx, streams.Cytube, s.durable())
	if err != nil {
		return err
	}
	info := c.CachedInfo()
	if info.NumAckPending == 0 && stoppedCleanly {
		return nil // nothing was in flight
	}
	// The ack floor can lie well before the sends: users take turns, and a NATS server
	// that crashes forgets the latest acknowledgements.
	var inFlight []*Message
	users := map[string]bool{}
	for u, err := range s.unfinished(ctx, info.AckFloor.Stream+1, self) {
		if err != nil {
			return err
		}
		if len(u.parts) == 0 {
			continue
		}
		user, err := s.userOf(ctx, u.send)
		if err != nil {
			return err
		}
		users[user] = true
		inFlight = append(inFlight, u.parts...)
	}
	s.Echoes.inherit(inFlight, len(users) == 1)
	return nil
}

// An unfinishedSend is one on whose end nothing is recorded.
type unfinishedSend struct {
	send  streams.Stored
	parts []*Message // those that were not heard; none if the send is blank or does not speak
}

// unfinished yields the channel's unfinished sends from a sequence on. self is the name
// under which the bot's lines are recorded.
func (s *Sender) unfinished(ctx context.Context, from uint64, self string) iter.Seq2[unfinishedSend, error] {
	return func(yield func(unfinishedSend, error) bool) {
		outcomes, err := s.history.Outcomes(ctx, from, self)
		if err != nil {
			yield(unfinishedSend{}, err)
			return
		}
		for send, err := range s.history.Events(ctx, event.AllSends, from, 0) {
			if err != nil {
				yield(unfinishedSend{}, err)
				return
			}
			name, err := channelOf(send)
			if err != nil || !s.speaks(name) || outcomes.Delivered[send.Ref] {
				continue
			}
			if ability.Is(send.Subject) {
				if !yield(unfinishedSend{send: send}, nil) {
					return
				}
				continue
			}
			span := trace.SpanContextFromContext(streams.ContextWithEvent(context.Background(), send))
			parts, _, err := s.messages(send, span)
			if err != nil {
				continue
			}
			spoken, blank := heard(outcomes, send.Ref, parts), len(parts) == 0
			parts = slices.DeleteFunc(parts, func(m *Message) bool { return spoken[m.Part] })
			if (blank || len(parts) > 0) && !yield(unfinishedSend{send, parts}, nil) {
				return
			}
		}
	}
}

// userOf returns the user on whose wish a send is spoken: the one of the event that
// caused it or, if that names none, the source of the send.
func (s *Sender) userOf(ctx context.Context, send streams.Stored) (string, error) {
	source := " " + send.Meta(event.MetaSource) // no user's name
	caused, ok, err := s.causeOf(ctx, send.Envelope)
	if err != nil || !ok {
		return source, err
	}
	var p struct{ User string }
	if err := json.Unmarshal(caused.Data, &p); err != nil || p.User == "" {
		return source, nil //nolint:nilerr // it names no user
	}
	return strings.ToLower(p.User), nil
}

// causeOf returns the event that caused another; ok is false if it names none that is stored.
func (s *Sender) causeOf(ctx context.Context, e event.Envelope) (cause streams.Stored, ok bool, err error) {
	ref, ok := e.Causation()
	if !ok {
		return cause, false, nil
	}
	cause, err = s.history.Event(ctx, ref)
	if errors.Is(err, history.ErrNotFound) {
		return cause, false, nil
	}
	return cause, err == nil, err
}
