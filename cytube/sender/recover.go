package sender

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// RecoverInFlightSend looks for the send that a process before this one was speaking
// when it died, and expects its echoes. It must run before the lines of the chat buffer
// are recorded: without it, an echo that the channel's filters changed would be
// recorded without a cause, and the send said twice. stoppedCleanly says that the process
// before announced its end.
func (s *Sender) RecoverInFlightSend(ctx context.Context, self string, stoppedCleanly bool) error {
	// What is left in an outbox comes first, also for a Sender that reads the sends.
	found, err := s.recoverFrom(ctx, OutboxDurable(s.cfg.Channel), event.OutboxSubject(s.cfg.Channel), self, stoppedCleanly)
	if err != nil || found || s.cfg.Dispatched {
		return err
	}
	_, err = s.recoverFrom(ctx, SendsDurable, event.AllSends, self, stoppedCleanly)
	return err
}

// recoverFrom takes the first send behind a durable consumer's ack floor whose end is
// not recorded: one is spoken after the other.
func (s *Sender) recoverFrom(ctx context.Context, durable, subject, self string, stoppedCleanly bool) (bool, error) {
	c, err := s.bus.JetStream().Consumer(ctx, streams.Cytube, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up consumer %s: %w", durable, err)
	}
	info := c.CachedInfo()
	if info.NumAckPending == 0 && stoppedCleanly {
		return false, nil // nothing was in flight
	}
	// The ack floor can lie well before the send: a NATS server that crashes forgets
	// the latest acknowledgements.
	for send, err := range s.history.Events(ctx, subject, info.AckFloor.Stream+1, 0) {
		if err != nil {
			return false, err
		}
		if found, err := s.inherit(ctx, send, self); err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// inherit expects the echoes of a send, or of the one that an outbox event refers to,
// unless its end is recorded.
func (s *Sender) inherit(ctx context.Context, send streams.Stored, self string) (bool, error) {
	if event.Match(event.AllOutboxes, send.Subject) {
		referred, ok, err := s.history.Referred(ctx, send)
		if event.CodeOf(err) == event.InvalidInput {
			return false, nil // malformed: it is not spoken
		}
		if err != nil || !ok {
			return false, err
		}
		send = referred
	}
	span := trace.SpanContextFromContext(streams.Handling(context.Background(), send))
	parts, name, err := messagesOf(send, s.cfg.MessageLimit, span)
	if err != nil || len(parts) == 0 || !s.accepts(name) {
		return false, nil
	}
	heard, err := s.heard(ctx, send.Ref, parts, self)
	if err != nil || len(heard) == len(parts) {
		return false, err
	}
	if over, err := s.history.Delivered(ctx, send.Ref); err != nil || over {
		return false, err
	}
	s.Echoes.inherit(slices.DeleteFunc(parts, func(m *Message) bool { return heard[m.Part] }))
	return true, nil
}
