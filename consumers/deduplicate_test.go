package consumers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func TestOutputsCarryIDsCorrelationAndCause(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		if _, err := consumers.PublisherFrom(ctx).Publish(ctx, say(t, "early")); err != nil {
			return nil, err
		}
		return []event.Envelope{say(t, "late"), say(t, "later")}, nil
	})
	cause := command(t, bus, "x")
	o := next(t, settled)
	if o.Result != consumers.Handled || o.Attempt != 1 {
		t.Errorf("outcome %+v", o)
	}
	sends := streamstest.Stored(t, bus, streams.Cytube)
	if len(sends) != 3 {
		t.Fatalf("%d sends, want 3", len(sends))
	}
	for i, s := range sends {
		waited, err := s.Metadata[event.MetaWaited].(json.Number).Float64()
		if err != nil || time.Duration(waited*1e9).Round(time.Microsecond) != o.Waited.Round(time.Microsecond) {
			t.Errorf("send %d says that its cause waited %v s, want %v", i, waited, o.Waited)
		}
		got, _ := s.Causation()
		want := fmt.Sprintf("plugin-t/%s/%s", cause, []string{"early/1", "1", "2"}[i])
		if s.Header.Get(nats.MsgIdHdr) != want || s.CorrelationID != "corr-x" || got != cause || s.Meta(event.MetaSource) != "plugin-t" {
			t.Errorf("send %d: id %q, correlation %q, cause %s, source %q", i, s.Header.Get(nats.MsgIdHdr), s.CorrelationID, got, s.Meta(event.MetaSource))
		}
	}
}

// A redelivered command gives one reply, however far the first attempt got.
func TestRedeliveryRepeatsNothing(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{Backoff: quick}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		p := consumers.PublisherFrom(ctx)
		if _, err := p.Publish(ctx, say(t, "one")); err != nil {
			return nil, err
		}
		if d.Attempt == 1 {
			return nil, errors.New("died between two publishes")
		}
		return []event.Envelope{say(t, "two")}, nil
	})
	command(t, bus, "x")
	first, second := next(t, settled), next(t, settled)
	if first.Result != consumers.Retried || second.Result != consumers.Handled || second.Duplicates != 1 {
		t.Errorf("outcomes %+v and %+v", first, second)
	}
	sends := streamstest.Stored(t, bus, streams.Cytube)
	if len(sends) != 2 || sends[1].Metadata[event.MetaAttempt] != json.Number("2") {
		t.Errorf("sends %+v, want one and two, the latter marked as made by attempt 2", sends)
	}
}

// After a crash before the ack the event is redelivered to another process with the same
// durable, whose outputs are deduplicated.
func TestLostAckIsRedeliveredToAnotherProcess(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	bus := streamstest.Bus(t, server)
	js := bus.JetStream()
	cause := command(t, bus, "x")
	// The first process publishes its reply and dies before the ack.
	c, err := js.CreateConsumer(t.Context(), streams.Plugin, jetstream.ConsumerConfig{
		Durable: "plugin-t", FilterSubject: event.CommandSubject("t"), AckPolicy: jetstream.AckExplicitPolicy, AckWait: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Publish(t.Context(), say(t, "reply"), streams.WithMsgID("plugin-t/"+cause.String()+"/1")); err != nil {
		t.Fatal(err)
	}
	settled, _ := start(t, bus, consumers.Config{AckWait: 100 * time.Millisecond}, func(context.Context, streams.Stored) ([]event.Envelope, error) {
		return []event.Envelope{say(t, "reply again")}, nil
	})
	if o := next(t, settled); o.Result != consumers.Handled || o.Attempt != 2 || o.Duplicates != 1 {
		t.Errorf("outcome %+v", o)
	}
	if sends := streamstest.Stored(t, bus, streams.Cytube); len(sends) != 1 {
		t.Errorf("%d sends, want 1", len(sends))
	}
}

// Outputs keep their IDs even if the handler publishes less than before until it returns.
func TestOutputsKeepTheirIDsWhateverWasDoneBefore(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{Backoff: quick}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		p := consumers.PublisherFrom(ctx)
		if d.Attempt == 1 {
			if _, err := p.Publish(ctx, say(t, "early")); err != nil {
				return nil, err
			}
			if _, err := p.Request(ctx, event.SubjectGet, event.Get{Collection: "c", ID: "1"}, streams.Within(time.Millisecond)); err == nil {
				t.Error("a request to nobody was answered")
			}
			// The first output goes out, and then the process dies.
			if _, err := bus.Publish(ctx, say(t, "late"), streams.WithMsgID("plugin-t/"+d.Ref.String()+"/1")); err != nil {
				return nil, err
			}
			return nil, errors.New("died")
		}
		return []event.Envelope{say(t, "late")}, nil
	})
	command(t, bus, "x")
	next(t, settled)
	if o := next(t, settled); o.Result != consumers.Handled || o.Duplicates != 1 {
		t.Errorf("outcome %+v", o)
	}
	if sends := streamstest.Stored(t, bus, streams.Cytube); len(sends) != 2 {
		t.Errorf("%d sends, want early and late", len(sends))
	}
}

func TestMistakesInOutputsAreNamedAndPublishNothing(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	for name, c := range map[string]struct {
		out  event.Envelope
		says string
	}{
		"foreign subject": {event.Envelope{Subject: "cytube.chat", Data: []byte(`{}`)}, "may publish plugin.t.event"},
		"invalid payload": {event.Envelope{Subject: event.SubjectSendChat, Data: []byte(`{"message":1}`)}, "message must be a string"},
	} {
		settled, stop := start(t, bus, consumers.Config{Allow: func(s string) error { return event.Owned("t", s) }},
			func(context.Context, streams.Stored) ([]event.Envelope, error) {
				return []event.Envelope{say(t, "good"), c.out}, nil
			})
		command(t, bus, "x")
		if o := next(t, settled); o.Result != consumers.Dead || !strings.Contains(o.Err.Error(), c.says) {
			t.Errorf("%s: outcome %+v, want a dead letter that says %q", name, o, c.says)
		}
		stop()
	}
	if sends := streamstest.Stored(t, bus, streams.Cytube); len(sends) != 0 {
		t.Errorf("%d events were published, want none", len(sends))
	}
}

// A handler may return thousands of outputs. After a crash amid them, the redelivery
// stores the rest, and nothing twice.
func TestThousandsOfOutputs(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "publishes thousands of events")
	const n, before = 5000, 1234
	server := streamstest.Server(t)
	bus := streamstest.Bus(t, server)
	var outputs []event.Envelope
	for i := range n {
		outputs = append(outputs, say(t, fmt.Sprint("line ", i)))
	}
	cause := command(t, bus, "x")
	// What the first process had got done.
	for i := range before {
		if _, err := bus.Publish(t.Context(), outputs[i], streams.WithMsgID(fmt.Sprintf("plugin-t/%s/%d", cause, i+1))); err != nil {
			t.Fatal(err)
		}
	}
	settled, _ := start(t, bus, consumers.Config{}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		if command, err := event.As[event.Command](d.Envelope); err == nil && command.Command == "next" {
			return []event.Envelope{say(t, "the next one")}, nil
		}
		return outputs, nil
	})
	command(t, bus, "next")
	if o := next(t, settled); o.Result != consumers.Handled || o.Attempt != 1 || o.Duplicates != before {
		t.Errorf("outcome %+v", o)
	}
	if o := next(t, settled); o.Result != consumers.Handled {
		t.Errorf("the next outcome is %+v", o)
	}
	said := streamstest.Stored(t, bus, streams.Cytube)
	if len(said) != n+1 {
		t.Fatalf("%d lines are stored, want %d", len(said), n+1)
	}
	for i, s := range said[:n] {
		if c, err := event.As[event.SendChat](s.Envelope); err != nil || c.Message != fmt.Sprint("line ", i) {
			t.Fatalf("line %d is %q: %v", i, c.Message, err)
		}
	}
	t.Logf("%d outputs of one event, %d of them stored before the process died: %d stored, in order, each once; the next event was handled", n, before, len(said)-1)
}

// An event whose correlation ID is too long for a header is handled as one without.
func TestLongCorrelation(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{Backoff: quick}, func(context.Context, streams.Stored) ([]event.Envelope, error) {
		return []event.Envelope{say(t, "reply")}, nil
	})
	body, err := json.Marshal(map[string]any{
		"subject": event.CommandSubject("t"), "data": map[string]any{"command": "x", "user": "alice"}, "correlation_id": strings.Repeat("x", 70_000),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.JetStream().Publish(t.Context(), event.CommandSubject("t"), body); err != nil {
		t.Fatal(err)
	}
	if o := next(t, settled); o.Result != consumers.Handled {
		t.Errorf("outcome %+v", o)
	}
	asked := streamstest.Stored(t, bus, streams.Plugin)[0]
	if said := streamstest.Stored(t, bus, streams.Cytube); len(said) != 1 || said[0].CorrelationID != propagation.ImpliedCorrelation(asked.Ref, asked.At) {
		t.Errorf("said %+v", said)
	}
}
