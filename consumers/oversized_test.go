package consumers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A plugin that makes more than NATS takes has its event set aside at once with a
// reason that says so, whatever it is that is too large; nothing of it is
// published, and the event behind it is handled.
func TestOversizedOutputs(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("x", 2<<20)
	for name, c := range map[string]struct {
		handler  func(ctx context.Context) ([]event.Envelope, error)
		says     string
		attempts int
	}{
		"a line": {func(context.Context) ([]event.Envelope, error) { return []event.Envelope{say(t, huge)}, nil }, "max_payload", 1},
		"the last of several": {func(context.Context) ([]event.Envelope, error) {
			return []event.Envelope{say(t, "one"), say(t, "two"), say(t, huge)}, nil
		}, "max_payload", 1},
		"an early event": {func(ctx context.Context) ([]event.Envelope, error) {
			e, err := event.New(event.EventSubject("t", "news"), map[string]any{"event_type": "news", "text": huge})
			if err != nil {
				return nil, err
			}
			_, err = consumers.PublisherFrom(ctx).Publish(ctx, e)
			return nil, err
		}, "max_payload", 1},
		"a timer's event": {func(ctx context.Context) ([]event.Envelope, error) {
			e, err := event.New(event.EventSubject("t", "news"), map[string]any{"event_type": "news", "text": huge})
			if err != nil {
				return nil, err
			}
			_, err = consumers.PublisherFrom(ctx).Publish(ctx, e, streams.At(consumers.Now(ctx).Add(1e9), "later"))
			return nil, err
		}, "max_payload", 1},
		"a request": {func(ctx context.Context) ([]event.Envelope, error) {
			_, err := consumers.PublisherFrom(ctx).Request(ctx, event.SubjectSet, event.Set{Collection: "c", Data: []byte(`{"text":"` + huge + `"}`)})
			return nil, err
		}, "max_payload", 3},
		"an error": {func(context.Context) ([]event.Envelope, error) { return nil, errors.New("it said " + huge) }, "it said xxx", 3},
		"a panic":  {func(context.Context) ([]event.Envelope, error) { panic("it said " + huge) }, "it said xxx", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			settled, _ := start(t, bus, consumers.Config{Backoff: quick}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
				if command, err := event.As[event.Command](d.Envelope); err == nil && command.Command == "next" {
					return []event.Envelope{say(t, "the next one")}, nil
				}
				return c.handler(ctx)
			})
			ref := command(t, bus, "big")
			command(t, bus, "next")
			results := map[string]int{}
			for results[consumers.Handled] == 0 || results[consumers.Dead] == 0 {
				results[next(t, settled).Result]++
			}
			letters := only(streamstest.Stored(t, bus, streams.Plugin), event.EventSubject("t", event.TypeDeadLetter))
			if len(letters) != 1 {
				t.Fatalf("%d dead letters", len(letters))
			}
			letter, err := event.As[event.DeadLetter](letters[0].Envelope)
			if err != nil || letter.Seq != int64(ref.Seq) || letter.Attempts != c.attempts || !strings.Contains(letter.Error, c.says) {
				t.Errorf("%v: after %d attempts: %.300s", err, letter.Attempts, letter.Error)
			}
			if said := streamstest.Stored(t, bus, streams.Cytube); len(said) != 1 {
				t.Errorf("%d lines are stored, want the next one's", len(said))
			}
			idle(t, bus)
			t.Logf("%d bytes: a dead letter of %d bytes after %d attempts, %.120s…; the next event was handled", len(huge), len(letters[0].Data), letter.Attempts, letter.Error)
		})
	}
}

// A handler may return thousands of outputs. When its process dies amid them, the
// next one stores the rest, and nothing twice.
func TestThousandsOfOutputs(t *testing.T) {
	t.Parallel()
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

// An event whose correlation ID is too long for a header, as any NATS client can
// write one, is handled as one without.
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
