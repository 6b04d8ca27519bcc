// Package deadletters lists, retries and drops the dead letters of all consumers.
package deadletters

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
	Open    = "open"
	Retried = "retried"
	Dropped = "dropped"
)

// Letter is a stored dead letter with its state.
type Letter struct {
	Ref           event.Ref // of the dead letter itself
	At            time.Time // when the event was dead-lettered
	CorrelationID string
	State         string // Open, Retried or Dropped
	Name          string // of its subject, plugin.{Name}.event.dead_letter
	event.DeadLetter
}

// MarshalJSON returns the dead letter's payload with id, at, correlation_id and state
// added.
func (l Letter) MarshalJSON() ([]byte, error) {
	return event.Encode(map[string]any{
		"id": l.Ref.String(), "at": l.At, "correlation_id": l.CorrelationID, "state": l.State,
		"consumer": l.Consumer, "stream": l.Stream, "seq": l.Seq, "subject": l.Subject,
		"error": l.Error, "error_code": l.Code, "stack": l.Stack, "attempts": l.Attempts,
	})
}

// List returns all dead letters, oldest first.
func List(ctx context.Context, js jetstream.JetStream) ([]Letter, error) {
	var letters []Letter
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
			letters = append(letters, Letter{
				Ref: s.Ref, At: s.At, CorrelationID: s.CorrelationID, State: Open, Name: event.PluginOf(s.Subject), DeadLetter: payload,
			})
			continue
		}
		resolved, err := event.As[resolution](s.Envelope)
		if err != nil {
			continue
		}
		// Only the letter's publisher, or the operator in its name, may resolve it.
		i, ok := index[event.Ref{Stream: resolved.Stream, Seq: uint64(resolved.Seq)}]
		if ok && resolved.matches(s.Subject) && event.PluginOf(s.Subject) == letters[i].Name {
			letters[i].State = resolved.State
		}
	}
	return letters, nil
}

// resolution is the payload of plugin.{name}.event.dead_letter_retried and
// …dead_letter_dropped.
type resolution struct {
	EventType string `json:"event_type"`
	State     string `json:"state" contract:"nonempty"`
	Stream    string `json:"stream" contract:"nonempty"` // of the dead letter
	Seq       int64  `json:"seq" contract:"required"`
	Retry     string `json:"retry"` // STREAM:SEQ of the event's new delivery
}

// matches reports whether the state is that of the subject.
func (r resolution) matches(subject string) bool {
	return (r.State == Retried || r.State == Dropped) && strings.HasSuffix(subject, "."+event.TypeDeadLetter+"_"+r.State)
}

// Find returns a dead letter and the body of its event, which is nil if the stream
// does not hold such an event, or no longer does. The letter's content is its
// publisher's claim.
func Find(ctx context.Context, js jetstream.JetStream, ref event.Ref) (Letter, []byte, error) {
	letters, err := List(ctx, js)
	if err != nil {
		return Letter{}, nil, err
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
			return Letter{}, nil, fmt.Errorf("open stream %s: %w", l.Stream, err)
		}
		raw, err := stream.GetMsg(ctx, uint64(l.Seq))
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && raw.Subject != l.Subject {
			return l, nil, nil
		}
		if err != nil {
			return Letter{}, nil, fmt.Errorf("read %s:%d: %w", l.Stream, l.Seq, err)
		}
		return l, raw.Data, nil
	}
	return Letter{}, nil, event.Errorf(event.RecordNotFound, "%s is no dead letter: see rosey dead ls", ref)
}

// Retry stores the event of a dead letter again, with its correlation ID, for the
// consumer that dead-lettered it and no other. It returns the new event.
func Retry(ctx context.Context, bus *streams.Bus, ref event.Ref) (event.Ref, error) {
	l, body, err := Find(ctx, bus.JetStream(), ref)
	if err != nil {
		return event.Ref{}, err
	}
	switch {
	case l.State != Open:
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
	return ack.Ref, resolve(ctx, bus, l, event.TypeDeadRetried, resolution{State: Retried, Retry: ack.Ref.String()})
}

// check returns an error unless the letter's consumer belongs to its publisher and
// reads the event's subject: a retry stores the event with the operator's permissions,
// and a plugin may publish any content in a letter.
func (l Letter) check(ctx context.Context, js jetstream.JetStream) error {
	plugin, ofPlugin := streams.PluginOf(l.Consumer)
	switch {
	case l.Consumer != l.Name && !(ofPlugin && plugin == l.Name): // one of the bot's own, or a plugin's
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
	if !streams.MatchesFilter(c.CachedInfo().Config, l.Subject) {
		return fmt.Errorf("consumer %s does not read %s", l.Consumer, l.Subject)
	}
	return nil
}

// Drop marks a dead letter as dropped. It stays in the stream.
func Drop(ctx context.Context, bus *streams.Bus, ref event.Ref) error {
	l, _, err := Find(ctx, bus.JetStream(), ref)
	if err != nil {
		return err
	}
	if l.State != Open {
		return fmt.Errorf("%s was %s before", ref, l.State)
	}
	return resolve(ctx, bus, l, event.TypeDeadDropped, resolution{State: Dropped})
}

func resolve(ctx context.Context, bus *streams.Bus, l Letter, kind string, r resolution) error {
	r.EventType, r.Stream, r.Seq = kind, l.Ref.Stream, int64(l.Ref.Seq)
	e, err := event.New(event.EventSubject(l.Name, kind), r)
	if err != nil {
		return err
	}
	e.CorrelationID = l.CorrelationID
	e = e.WithMeta(event.MetaCausation, l.Ref.String())
	_, err = bus.Publish(ctx, e, streams.WithMsgID(kind+"/"+l.Ref.String()))
	return err
}
