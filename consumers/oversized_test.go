package consumers_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// oversize is a handler that makes more than NATS accepts.
type oversize struct {
	handler  func(ctx context.Context) ([]event.Envelope, error)
	says     string // its dead letter
	attempts int
}

func oversized(t *testing.T, huge string) map[string]oversize {
	return map[string]oversize{
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
	}
}

// The event of a handler that makes more than NATS accepts is dead-lettered with that
// reason; nothing is published, and the next event is handled.
func TestOversizedOutputs(t *testing.T) {
	t.Parallel()
	for name, c := range oversized(t, strings.Repeat("x", 2<<20)) {
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
			t.Logf("a dead letter of %d bytes after %d attempts, %.120s…; the next event was handled", len(letters[0].Data), letter.Attempts, letter.Error)
		})
	}
}
