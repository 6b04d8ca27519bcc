package consumers

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// fakeMsg records how its delivery is settled.
type fakeMsg struct {
	jetstream.Msg
	calls []string
	err   error // of settling
}

func (m *fakeMsg) call(format string, args ...any) error {
	m.calls = append(m.calls, fmt.Sprintf(format, args...))
	return m.err
}

func (m *fakeMsg) Ack() error                         { return m.call("ack") }
func (m *fakeMsg) NakWithDelay(d time.Duration) error { return m.call("nak %s", d) }
func (m *fakeMsg) TermWithReason(reason string) error { return m.call("term %s", reason) }
func (m *fakeMsg) InProgress() error                  { return m.call("in progress") }

// newDelivery returns the context of a delivery, the delivery, and its event: a
// command at its n-th attempt.
func newDelivery(t *testing.T, n int) (context.Context, *delivery, *fakeMsg, streams.Stored) {
	t.Helper()
	msg := &fakeMsg{}
	d := &delivery{Outcome: Outcome{Result: Handled, Attempt: n}, msg: msg}
	e, err := event.New(event.CommandSubject("t"), event.Command{Command: "x", User: "alice", Channel: "main"})
	if err != nil {
		t.Fatal(err)
	}
	s := streams.Stored{Envelope: e, Ref: event.Ref{Stream: streams.Plugin, Seq: 1}, Attempt: n, At: time.Now()}
	return context.WithValue(t.Context(), deliveryKey{}, d), d, msg, s
}

// returning returns a handler that returns err.
func returning(err error) Handler {
	return func(context.Context, streams.Stored) ([]event.Envelope, error) { return nil, err }
}

func testConfig(t *testing.T) Config {
	t.Helper()
	c, err := Config{Durable: "plugin-t", Name: "t", Backoff: []time.Duration{time.Second, time.Minute}, Logger: slog.New(slog.DiscardHandler)}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
