package streams

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// HeaderDue is the header with the time for which a timer's event was set, in RFC 3339.
// While no server runs, the event is stored later.
const HeaderDue = "Rosey-Due"

// SetTimer implements Manager.
func (m *manager) SetTimer(ctx context.Context, msg *nats.Msg, timer string, at time.Time) (ack jetstream.PubAck, err error) {
	plugin, due := event.PluginOf(msg.Subject), event.DueSubject(msg.Subject)
	if due == "" || !event.ValidName(timer) {
		return ack, event.Errorf(event.InvalidInput, "timer %q for %s: only a plugin's events of a type can be scheduled, and a timer's name is 1 to %d of A-Z a-z 0-9 _ -", timer, msg.Subject, event.MaxNameLength)
	}
	stream, err := m.js.Stream(ctx, Timer)
	if err != nil {
		return ack, event.Errorf(event.NATSError, "open stream %s: %w", Timer, err)
	}
	if age := stream.CachedInfo().Config.MaxAge; age > 0 && time.Until(at) >= age {
		return ack, event.Errorf(event.InvalidInput, "a timer for %s would expire: stream %s keeps messages for %s; set an earlier timer that sets this one",
			at.Format(time.RFC3339), Timer, age)
	}
	// A copy, because a retry passes the same message again.
	scheduled := &nats.Msg{Subject: event.ScheduleSubject(plugin, timer, nuid.Next()), Header: maps.Clone(msg.Header), Data: msg.Data}
	scheduled.Header.Set(HeaderDue, at.UTC().Format(time.RFC3339))
	stored, err := m.js.PublishMsg(ctx, scheduled, jetstream.WithScheduleAt(at), jetstream.WithScheduleTarget(due))
	if err != nil {
		return ack, err
	}
	cause := event.Ref{}
	if e, err := event.Decode(msg.Subject, msg.Data); err == nil {
		cause, _ = e.Causation()
	}
	return *stored, m.replace(ctx, stream, event.ScheduleSubject(plugin, timer, "*"), *stored, cause)
}

// replace drops the earlier settings of a timer than the one that was stored. If a later
// event than its cause had set the timer, it is a repeat whose message ID is forgotten, or
// late, and replace drops it instead.
func (m *manager) replace(ctx context.Context, stream jetstream.Stream, subject string, stored jetstream.PubAck, cause event.Ref) error {
	for raw, err := range Messages(ctx, m.js, Selection{Stream: Timer, Subjects: []string{subject}}) {
		if err != nil {
			return event.Errorf(event.NATSError, "replace timer %s: %w", subject, err)
		}
		if raw.Sequence >= stored.Sequence {
			break
		}
		schedule, _ := ReadRaw(Timer, raw)
		later := false
		if by, ok := schedule.Causation(); ok && by != cause && cause != (event.Ref{}) {
			later, err = m.setAfter(ctx, schedule, cause)
		}
		switch {
		case err != nil:
		case later && !stored.Duplicate:
			return stream.DeleteMsg(ctx, stored.Sequence)
		default:
			err = stream.Purge(ctx, jetstream.WithPurgeSubject(raw.Subject))
		}
		if err != nil {
			return event.Errorf(event.NATSError, "replace timer %s: %w", subject, err)
		}
	}
	return nil
}

// CancelTimer implements Manager.
func (m *manager) CancelTimer(ctx context.Context, plugin, timer string, own uint64) error {
	stream, err := m.js.Stream(ctx, Timer)
	if err != nil {
		return event.Errorf(event.NATSError, "cancel timer %s of %s: %w", timer, plugin, err)
	}
	cause := propagation.Cause(ctx)
	if cause == (event.Ref{}) {
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(event.ScheduleSubject(plugin, timer, "*"))); err != nil {
			return event.Errorf(event.NATSError, "cancel timer %s of %s: %w", timer, plugin, err)
		}
		return nil
	}
	for raw, err := range Messages(ctx, m.js, Selection{Stream: Timer, Subjects: []string{event.ScheduleSubject(plugin, timer, "*")}}) {
		keep := false
		if err == nil {
			schedule, _ := ReadRaw(Timer, raw)
			if setBy, _ := schedule.Causation(); setBy == cause {
				keep = raw.Sequence > own
			} else {
				keep, err = m.setAfter(ctx, schedule, cause)
			}
		}
		if err == nil && !keep {
			err = stream.Purge(ctx, jetstream.WithPurgeSubject(raw.Subject)) // each setting has a subject of its own
		}
		if err != nil {
			return event.Errorf(event.NATSError, "cancel timer %s of %s: %w", timer, plugin, err)
		}
	}
	return nil
}

// setAfter reports whether a timer was set because of a later event than cause. Events of
// different streams are ordered by when they were stored. A timer without a cause is as
// old as its schedule.
func (m *manager) setAfter(ctx context.Context, schedule Stored, cause event.Ref) (bool, error) {
	setBy, ok := schedule.Causation()
	if ok && setBy.Stream == cause.Stream {
		return setBy.Seq > cause.Seq, nil
	}
	canceled, err := m.storedAt(ctx, cause)
	if err != nil || canceled.IsZero() {
		return false, err
	}
	set, err := m.storedAt(ctx, setBy)
	if set.IsZero() {
		set = schedule.At
	}
	return set.After(canceled), err
}

// storedAt returns when one of our events was stored, or the zero time if it is no
// longer. The stream's leader answers.
func (m *manager) storedAt(ctx context.Context, ref event.Ref) (time.Time, error) {
	if !InTopology(ref.Stream) {
		return time.Time{}, nil
	}
	found, err := leaderGet(ctx, m.js, ref.Stream, map[string]any{"seq": ref.Seq})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, nil
	}
	return found.Time, err
}
