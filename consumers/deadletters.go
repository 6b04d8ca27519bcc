package consumers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// The states of a dead letter.
const (
	DeadOpen    = "open"
	DeadRetried = "retried"
	DeadDropped = "dropped"
)

// DeadLetter is a dead letter as it is stored, with what became of it.
type DeadLetter struct {
	Ref           event.Ref // of the dead letter itself
	At            time.Time // when the event was given up on
	CorrelationID string
	State         string // DeadOpen, DeadRetried or DeadDropped
	Name          string // plugin.{Name}.event.dead_letter is where it is
	event.DeadLetter
}

// MarshalJSON writes the dead letter's payload with id, at, correlation_id and
// state added.
func (l DeadLetter) MarshalJSON() ([]byte, error) {
	return event.Encode(map[string]any{
		"id": l.Ref.String(), "at": l.At, "correlation_id": l.CorrelationID, "state": l.State,
		"consumer": l.Consumer, "stream": l.Stream, "seq": l.Seq, "subject": l.Subject,
		"error": l.Error, "error_code": l.Code, "stack": l.Stack, "attempts": l.Attempts,
	})
}

// DeadLetters reads all dead letters, oldest first.
func DeadLetters(ctx context.Context, js jetstream.JetStream) ([]DeadLetter, error) {
	var letters []DeadLetter
	index := map[event.Ref]int{}
	for msg, err := range streams.Messages(ctx, js, streams.Selection{Stream: streams.Plugin, Subjects: []string{
		event.EventSubject("*", event.TypeDeadLetter), event.EventSubject("*", event.TypeDeadRetried), event.EventSubject("*", event.TypeDeadDropped),
	}}) {
		if err != nil {
			return nil, err
		}
		s, err := streams.ReadRaw(streams.Plugin, msg)
		if err != nil {
			continue
		}
		if payload, err := event.As[event.DeadLetter](s.Envelope); err == nil && strings.HasSuffix(s.Subject, "."+event.TypeDeadLetter) {
			index[s.Ref] = len(letters)
			letters = append(letters, DeadLetter{
				Ref: s.Ref, At: s.At, CorrelationID: s.CorrelationID, State: DeadOpen, Name: event.PluginOf(s.Subject), DeadLetter: payload,
			})
			continue
		}
		settled, err := event.As[settlement](s.Envelope)
		if err != nil {
			continue
		}
		// Whoever wrote the letter may settle it, or the operator in that name.
		i, ok := index[event.Ref{Stream: settled.Stream, Seq: uint64(settled.Seq)}]
		if ok && settled.fits(s.Subject) && event.PluginOf(s.Subject) == letters[i].Name {
			letters[i].State = settled.State
		}
	}
	return letters, nil
}

// settlement is the payload of plugin.{name}.event.dead_letter_retried and
// …dead_letter_dropped: what became of a dead letter.
type settlement struct {
	EventType string `json:"event_type"`
	State     string `json:"state" contract:"nonempty"`
	Stream    string `json:"stream" contract:"nonempty"` // of the dead letter
	Seq       int64  `json:"seq" contract:"required"`
	Retry     string `json:"retry"` // STREAM:SEQ of the event's new delivery
}

// fits reports whether a settlement says what its subject does.
func (s settlement) fits(subject string) bool {
	return (s.State == DeadRetried || s.State == DeadDropped) && strings.HasSuffix(subject, "."+event.TypeDeadLetter+"_"+s.State)
}

// FindDead returns a dead letter and the body of the event it is about, which is
// nil when its stream does not have, or no longer has, such an event. What a
// letter says is a claim of whoever wrote it.
func FindDead(ctx context.Context, js jetstream.JetStream, ref event.Ref) (DeadLetter, []byte, error) {
	letters, err := DeadLetters(ctx, js)
	if err != nil {
		return DeadLetter{}, nil, err
	}
	for _, l := range letters {
		if l.Ref != ref {
			continue
		}
		if event.CheckSubject(l.Subject) != nil {
			return l, nil, nil // of a stream that holds no events
		}
		stream, err := js.Stream(ctx, l.Stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrInvalidStreamName) {
			return l, nil, nil
		}
		if err != nil {
			return DeadLetter{}, nil, fmt.Errorf("open stream %s: %w", l.Stream, err)
		}
		raw, err := stream.GetMsg(ctx, uint64(l.Seq))
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && raw.Subject != l.Subject {
			return l, nil, nil
		}
		if err != nil {
			return DeadLetter{}, nil, fmt.Errorf("read %s:%d: %w", l.Stream, l.Seq, err)
		}
		return l, raw.Data, nil
	}
	return DeadLetter{}, nil, event.Errorf(event.RecordNotFound, "%s is no dead letter: see rosey dead ls", ref)
}

// RetryDead stores the event of a dead letter again, in its old conversation,
// for the consumer that gave up on it and no other. It returns the new event.
func RetryDead(ctx context.Context, bus *streams.Bus, ref event.Ref) (event.Ref, error) {
	l, body, err := FindDead(ctx, bus.JetStream(), ref)
	if err != nil {
		return event.Ref{}, err
	}
	switch {
	case l.State != DeadOpen:
		return event.Ref{}, fmt.Errorf("%s was %s before", ref, l.State)
	case body == nil:
		return event.Ref{}, fmt.Errorf("%s cannot be retried: its event %s:%d is no longer in the stream, or not what the dead letter says", ref, l.Stream, l.Seq)
	}
	if err := l.check(ctx, bus.JetStream()); err != nil {
		return event.Ref{}, fmt.Errorf("%s cannot be retried: %w", ref, err)
	}
	e, err := event.Decode(l.Subject, body)
	if err == nil {
		err = e.Validate()
	}
	if err != nil {
		return event.Ref{}, fmt.Errorf("%s cannot be retried, as its event is malformed and would fail again: %w", ref, err)
	}
	e.CorrelationID, e.Timestamp = l.CorrelationID, time.Time{}
	e = e.WithMeta(event.MetaCausation, ref.String()).WithMeta(event.MetaRetryFor, l.Consumer)
	ack, err := bus.Publish(ctx, e, streams.WithMsgID("retry/"+ref.String()))
	if err != nil {
		return event.Ref{}, err
	}
	return ack.Ref, settle(ctx, bus, l, event.TypeDeadRetried, settlement{State: DeadRetried, Retry: ack.Ref.String()})
}

// check returns an error unless the consumer that a dead letter names is one of
// its writer, and reads such events as it is about: a retry stores the event with
// the rights of who asks for it, and a plugin may write what it likes in a letter.
func (l DeadLetter) check(ctx context.Context, js jetstream.JetStream) error {
	switch {
	case l.Consumer != streams.Durable(l.Name) && l.Consumer != l.Name: // a plugin's, or of a part of the bot
		return fmt.Errorf("consumer %q is none of %s, which wrote the dead letter", l.Consumer, l.Name)
	case !streams.Readable(l.Stream):
		return fmt.Errorf("stream %q holds no events that are handled again", l.Stream)
	case event.Match(event.AllCommands, l.Subject) && l.Subject != event.CommandSubject(l.Name):
		return fmt.Errorf("%s is for another plugin than %s", l.Subject, l.Name)
	}
	c, err := js.Consumer(ctx, l.Stream, l.Consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("there is no consumer %s on stream %s to which the event could be put: does %s still run?", l.Consumer, l.Stream, l.Name)
	}
	if err != nil {
		return fmt.Errorf("look up consumer %s on stream %s: %w", l.Consumer, l.Stream, err)
	}
	if !streams.Reads(c.CachedInfo().Config, l.Subject) {
		return fmt.Errorf("consumer %s does not read %s", l.Consumer, l.Subject)
	}
	return nil
}

// DropDead strikes a dead letter off the list. It stays in the stream.
func DropDead(ctx context.Context, bus *streams.Bus, ref event.Ref) error {
	l, _, err := FindDead(ctx, bus.JetStream(), ref)
	if err != nil {
		return err
	}
	if l.State != DeadOpen {
		return fmt.Errorf("%s was %s before", ref, l.State)
	}
	return settle(ctx, bus, l, event.TypeDeadDropped, settlement{State: DeadDropped})
}

func settle(ctx context.Context, bus *streams.Bus, l DeadLetter, kind string, s settlement) error {
	s.EventType, s.Stream, s.Seq = kind, l.Ref.Stream, int64(l.Ref.Seq)
	e, err := event.New(event.EventSubject(l.Name, kind), s)
	if err != nil {
		return err
	}
	e.CorrelationID = l.CorrelationID
	e = e.WithMeta(event.MetaCausation, l.Ref.String())
	_, err = bus.Publish(ctx, e, streams.WithMsgID(kind+"/"+l.Ref.String()))
	return err
}
