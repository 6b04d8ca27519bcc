package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// A Manager opens durable consumers, sets timers and keeps exchanges.
type Manager interface {
	// OpenConsumer is Bus.Durable.
	OpenConsumer(ctx context.Context, stream string, want jetstream.ConsumerConfig) (jetstream.Consumer, error)
	// SetTimer makes JetStream store a plugin's event at a later time, in place of
	// the plugin's timer of the same name, unless that was set because of a later
	// event; see At.
	SetTimer(ctx context.Context, msg *nats.Msg, timer string, at time.Time) (jetstream.PubAck, error)
	// CancelTimer is Bus.CancelTimer.
	CancelTimer(ctx context.Context, plugin, timer string, own uint64) error
	// Outputs is Bus.Outputs.
	Outputs(ctx context.Context, source, subject string, since time.Time) (map[string]event.Ref, error)
	// SaveExchanges is Bus.SaveExchanges.
	SaveExchanges(ctx context.Context, plugin string, of event.Ref, x Exchanges) error
}

// NewManager returns a Manager that calls JetStream, for connections that may do so.
func NewManager(js jetstream.JetStream) Manager {
	return &manager{js: js, opened: map[consumerName]jetstream.ConsumerConfig{}}
}

type manager struct {
	js jetstream.JetStream

	mu     sync.Mutex
	opened map[consumerName]jetstream.ConsumerConfig // as the server has set them

	exchanges atomic.Bool // their bucket is there
}

type consumerName struct{ stream, name string }

// OpenConsumer implements Manager.
func (m *manager) OpenConsumer(ctx context.Context, stream string, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	c, err := openDurable(ctx, m.js, stream, want)
	if err == nil {
		m.mu.Lock()
		m.opened[consumerName{stream, want.Durable}] = c.CachedInfo().Config
		m.mu.Unlock()
	}
	return c, jsapi.Explain(m.js.Conn(), err)
}

// maintain sets the durables right that somebody has changed. Those that are gone are
// opened again by who reads them.
func (m *manager) maintain(ctx context.Context, by *Maintainer) error {
	m.mu.Lock()
	opened := maps.Clone(m.opened)
	m.mu.Unlock()
	var errs []error
	for n, want := range opened {
		c, err := m.js.Consumer(ctx, n.stream, n.name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		have := c.CachedInfo().Config
		want.PauseUntil, want.Metadata, want.Replicas = have.PauseUntil, have.Metadata, have.Replicas
		want.DeliverPolicy, want.OptStartSeq, want.OptStartTime = have.DeliverPolicy, have.OptStartSeq, have.OptStartTime
		if by.tell(ctx, "consumer", n.name+" of "+n.stream, differences(have, want)) {
			_, err := m.js.UpdateConsumer(ctx, n.stream, want)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func openDurable(ctx context.Context, js jetstream.JetStream, stream string, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	existing, err := js.Consumer(ctx, stream, want.Durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return nil, err
		}
		created, err := createDurable(ctx, js, s, want)
		if errors.Is(err, jetstream.ErrConsumerExists) { // another process was faster
			return openDurable(ctx, js, stream, want)
		}
		return created, err
	case err != nil:
		return nil, err
	default:
		if err := resume(ctx, js, stream, existing); err != nil {
			return nil, err
		}
		have := existing.CachedInfo().Config
		want.DeliverPolicy, want.OptStartSeq, want.OptStartTime = have.DeliverPolicy, have.OptStartSeq, have.OptStartTime
		want.PauseUntil = have.PauseUntil // a paused plugin stays paused across restarts
		if hasSettings(have, want) {
			return existing, nil // an update would undo a pause that began since
		}
	}
	c, err := js.CreateOrUpdateConsumer(ctx, stream, want)
	if err == nil { // the reply to the first update after a server's start is from before it (nats-server 2.15.2)
		_, err = c.Info(ctx)
	}
	return c, err
}

// hasSettings reports whether a consumer has all settings that are wanted.
func hasSettings(have, want jetstream.ConsumerConfig) bool {
	if !slices.Equal(FilterSubjects(have), FilterSubjects(want)) {
		return false
	}
	want.FilterSubject, want.FilterSubjects = "", nil
	h, w := reflect.ValueOf(have), reflect.ValueOf(want)
	for i := range w.NumField() {
		if !w.Field(i).IsZero() && text(h.Field(i).Interface()) != text(w.Field(i).Interface()) {
			return false
		}
	}
	return true
}

// startBySequence turns a start by time into one by sequence.
func startBySequence(ctx context.Context, js jetstream.JetStream, s jetstream.Stream, want *jetstream.ConsumerConfig) error {
	if want.DeliverPolicy != jetstream.DeliverByStartTimePolicy {
		return nil
	}
	seq, err := SequenceSince(ctx, js, s, *want.OptStartTime)
	want.DeliverPolicy, want.OptStartSeq, want.OptStartTime = jetstream.DeliverByStartSequencePolicy, seq, nil
	return err
}

// maxClockSkew is by how much the clocks of a cluster's servers may differ.
const maxClockSkew = 5 * time.Second

// resume resets a consumer with unacknowledged events if the server's clock was set
// back: the server would redeliver them only once its clock has caught up with the
// last delivery (nats-server 2.15.2).
func resume(ctx context.Context, js jetstream.JetStream, stream string, c jetstream.Consumer) error {
	info := c.CachedInfo()
	if info.NumAckPending == 0 {
		return nil
	}
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	last, err := s.GetMsg(ctx, info.Delivered.Stream)
	// The stream's leader and the consumer's may be two servers, whose clocks differ a little.
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && last.Time.Sub(info.TimeStamp) <= maxClockSkew {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = js.ResetConsumer(ctx, stream, info.Name)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil // servers before 2.14 cannot reset
	}
	if err != nil {
		return fmt.Errorf("reset the consumer to its unacknowledged events: %w", err)
	}
	return nil
}

// PullOne reads a consumer one event at a time: events in a client's buffer would
// count as attempted when the process dies. Missing heartbeats reveal a pull request
// that the server lost (one in some ten thousand, nats-server 2.15.2). The server
// notices at a heartbeat that a consumer is no longer paused, so that the interval
// bounds how long a resumed plugin stays idle.
func PullOne(c jetstream.Consumer) (jetstream.MessagesContext, error) {
	return c.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(30*time.Second), jetstream.PullHeartbeat(time.Second))
}

// nextTimeout bounds a single wait in NextMsg.
const nextTimeout = 10 * time.Second

// NextMsg waits for the next message of PullOne. It waits for one interval after another:
// once a wait has seen the connection lost, it watches for heartbeats again only when it
// sees the connection restored, and can miss that.
func NextMsg(messages jetstream.MessagesContext) (jetstream.Msg, error) {
	for {
		msg, err := messages.Next(jetstream.NextMaxWait(nextTimeout))
		if !errors.Is(err, nats.ErrTimeout) {
			return msg, err
		}
	}
}

// FilterSubjects returns the subject patterns that a consumer reads; ">" if it names none.
func FilterSubjects(c jetstream.ConsumerConfig) []string {
	if len(c.FilterSubjects) > 0 {
		return c.FilterSubjects
	}
	return []string{cmp.Or(c.FilterSubject, ">")}
}

// MatchesFilter reports whether a consumer reads a subject.
func MatchesFilter(c jetstream.ConsumerConfig, subject string) bool {
	return slices.ContainsFunc(FilterSubjects(c), func(filter string) bool { return event.Match(filter, subject) })
}

// discardTimeout is how long the deletion of a consumer may take.
const discardTimeout = 2 * time.Second

// DeleteConsumer deletes a consumer that is no longer used, also when ctx has ended.
// Without a connection it leaves that to the server, which deletes inactive
// consumers.
func DeleteConsumer(ctx context.Context, js jetstream.JetStream, c jetstream.Consumer) error {
	if !js.Conn().IsConnected() {
		return nats.ErrDisconnected
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	info := c.CachedInfo()
	if info == nil { // an ordered consumer that is being made again
		return jetstream.ErrConsumerNotFound
	}
	return js.DeleteConsumer(ctx, info.Stream, info.Name)
}
