package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// An event that no stream takes, or that none says it took, is a NATS_ERROR and
// not waited for for ever.
func TestPublishIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "waits for acknowledgements")
	nc := streamstest.Connect(t, streamstest.Server(t)) // without streams
	js, err := jetstream.New(nc)
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

// A correlation ID that would not leave a header room for anything else is not
// published, wherever it comes from.
func TestLongCorrelationIsRefused(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	good, long := strings.Repeat("x", event.MaxCorrelationID), strings.Repeat("x", event.MaxCorrelationID+1)
	send, err := event.New(event.SubjectSendChat, event.SendChat{Message: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	publish := func(ctx context.Context, id string) error {
		e := send
		e.CorrelationID = id
		_, err := bus.Publish(ctx, e)
		return err
	}
	if err := publish(t.Context(), good); err != nil {
		t.Errorf("an ID of %d bytes: %v", len(good), err)
	}
	inherited := propagation.WithCorrelation(t.Context(), long)
	_, asked := bus.Request(inherited, event.SubjectGet, event.Get{Collection: "c", ID: "1"})
	named := send
	named.CorrelationID = long
	for name, err := range map[string]error{
		"its own": publish(t.Context(), long), "of the context": publish(inherited, ""), "of a request": asked, "before anything is published": bus.CheckLimits(named),
	} {
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), "correlation_id has 257 bytes and may have 256") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := bus.JetStream().Stream(t.Context(), streams.Cytube)
	if err != nil || s.CachedInfo().State.Msgs != 1 {
		t.Errorf("%d events are stored, want the one with the good ID: %v", s.CachedInfo().State.Msgs, err)
	}
}

// Any NATS client can store one that is too long. Who reads the event takes it for
// one without, and all take it for the same one.
func TestLongCorrelationIsNotRead(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	const id, traced = "550e8400-e29b-41d4-a716-446655440000", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
	const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	long := strings.Repeat("x", 60_000)
	for name, c := range map[string]struct {
		body   string // its correlation_id
		header nats.Header
		want   string // the implied one when empty
	}{
		"in the body":              {body: long},
		"in the header":            {header: nats.Header{propagation.HeaderCorrelation: {long}}},
		"in both":                  {body: long, header: nats.Header{propagation.HeaderCorrelation: {long}}},
		"and another in a header":  {body: long, header: nats.Header{propagation.HeaderCorrelation: {id}}, want: id},
		"and a trace":              {body: long, header: nats.Header{"traceparent": {traceparent}}, want: traced},
		"in a header, and a trace": {header: nats.Header{propagation.HeaderCorrelation: {long}, "traceparent": {traceparent}}, want: traced},
	} {
		body, err := json.Marshal(map[string]any{"subject": event.SubjectSendChat, "data": map[string]any{"message": "hi"}, "correlation_id": c.body})
		if err != nil {
			t.Fatal(err)
		}
		ack, err := bus.JetStream().PublishMsg(t.Context(), &nats.Msg{Subject: event.SubjectSendChat, Header: c.header, Data: body})
		if err != nil {
			t.Fatal(err)
		}
		s, err := bus.JetStream().Stream(t.Context(), streams.Cytube)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := s.GetMsg(t.Context(), ack.Sequence)
		if err != nil {
			t.Fatal(err)
		}
		got, err := streams.ReadRaw(streams.Cytube, raw)
		want := c.want
		if want == "" {
			want = propagation.ImpliedCorrelation(got.Ref, got.At)
		}
		if err != nil || got.CorrelationID != want {
			t.Errorf("%s: read as %.80q, want %q: %v", name, got.CorrelationID, want, err)
		}
	}
}
