package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// An event that no stream takes, or that none says it took, is a NATS_ERROR and
// not waited for for ever.
func TestPublishIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	nc := streamstest.Connect(t, streamstest.Server(t)) // without streams
	js, err := streams.JetStream(nc)
	if err != nil {
		t.Fatal(err)
	}
	bus := streams.NewBus(nc, js)
	if _, err := nc.Subscribe(event.SubjectPM, func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	pm := event.PM{User: "alice", To: "rosey", Message: "hi", Channel: "main", Time: 1}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	for name, c := range map[string]struct {
		ctx     context.Context
		subject string
		payload any
		want    error
	}{
		"no stream":      {t.Context(), event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: "main"}, jetstream.ErrNoStreamResponse},
		"no answer":      {t.Context(), event.SubjectPM, pm, context.DeadlineExceeded},
		"no time":        {short, event.SubjectPM, pm, context.DeadlineExceeded},
		"no more wanted": {cancelled, event.SubjectPM, pm, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := event.New(c.subject, c.payload)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := bus.Publish(c.ctx, e); event.CodeOf(err) != event.NATSError || !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}
