package consumers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// letters are the dead letters of all consumers.
func letters(t *testing.T, bus *streams.Bus) (all []streams.Stored) {
	t.Helper()
	for _, s := range streamstest.Stored(t, bus, streams.Plugin) {
		if event.Match(event.EventSubject("*", event.TypeDeadLetter), s.Subject) {
			all = append(all, s)
		}
	}
	return all
}

// everyEvent is what a plugin reads that listens to every plugin's events.
var everyEvent = []string{event.EventSubject("*", ">")}

// failing fails with every event but the last of a test.
func failing(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
	if d.Subject == event.EventSubject("other", "last") {
		return nil, nil
	}
	return nil, consumers.Permanent(errors.New("a mistake"))
}

// Consumers that read what all plugins emit, and fail, read their own dead letters
// and each other's. That comes to an end.
func TestDeadLettersOfDeadLettersEnd(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{Subjects: everyEvent}, failing)
	observe := func(o consumers.Outcome) { settled <- o }
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		_ = consumers.Run(ctx, bus, consumers.Config{Durable: "plugin-u", Stream: streams.Plugin, Name: "u", Subjects: everyEvent, Observe: observe}, failing)
	})
	streamstest.Publish(t, bus, event.EventSubject("other", "hello"), map[string]any{})
	// Each sets aside the event and the other's letter about it, and each reads
	// these five events.
	for range 2 * 5 {
		if o := next(t, settled); o.Result != consumers.Dead {
			t.Errorf("outcome %+v", o)
		}
	}
	streamstest.Publish(t, bus, event.EventSubject("other", "last"), map[string]any{})
	for range 2 {
		if o := next(t, settled); o.Result != consumers.Handled {
			t.Fatalf("outcome %+v, want the last event handled", o)
		}
	}
	if n := len(letters(t, bus)); n != 4 {
		t.Errorf("%d dead letters of one event, want 4", n)
	}
	idle(t, bus)
}

// What tells of another event is set aside in its turn where it is somebody else's.
func TestNoticesThatFail(t *testing.T) {
	t.Parallel()
	about := func(subject string) event.DeadLetter {
		return event.DeadLetter{EventType: event.TypeDeadLetter, Consumer: "c", Stream: streams.Plugin, Seq: 1, Subject: subject, Error: "boom", Attempts: 1}
	}
	expired := event.Expired{EventType: event.TypeExpired, Consumer: "plugin-t", Stream: streams.Plugin, Seq: 1, Subject: event.CommandSubject("t"), Age: 2, MaxAge: 1}
	denied := event.Denied{EventType: event.TypeDenied, Error: "no", Code: event.PermissionDenied, Details: map[string]any{}, Channel: "main"}
	for name, c := range map[string]struct {
		source, subject string
		payload         any
		letters         int // about it
	}{
		"its own dead letter":          {"plugin-t", event.EventSubject("t", event.TypeDeadLetter), about(event.CommandSubject("t")), 0},
		"its own expiration":           {"plugin-t", event.EventSubject("t", event.TypeExpired), expired, 0},
		"its own denial":               {"plugin-t", event.EventSubject("t", event.TypeDenied), denied, 0},
		"its own event":                {"plugin-t", event.EventSubject("t", "news"), map[string]any{}, 1},
		"another's dead letter":        {"plugin-u", event.EventSubject("u", event.TypeDeadLetter), about(event.CommandSubject("u")), 1},
		"the router's denial":          {"router", event.EventSubject("t", event.TypeDenied), denied, 1},
		"another's, about a letter":    {"plugin-u", event.EventSubject("u", event.TypeDeadLetter), about(event.EventSubject("t", event.TypeDeadLetter)), 0},
		"another's, about its expired": {"plugin-u", event.EventSubject("u", event.TypeDeadLetter), about(event.EventSubject("t", event.TypeExpired)), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			settled, _ := start(t, bus, consumers.Config{Subjects: []string{c.subject, event.EventSubject("other", "last")}}, failing)
			ref := streamstest.Publish(t, bus.As(c.source), c.subject, c.payload).Ref
			if o := next(t, settled); o.Result != consumers.Dead {
				t.Errorf("outcome %+v", o)
			}
			n := 0
			for _, s := range letters(t, bus) {
				if letter, err := event.As[event.DeadLetter](s.Envelope); err == nil && letter.Consumer == "plugin-t" && letter.Seq == int64(ref.Seq) && s.Ref != ref {
					n++
				}
			}
			if n != c.letters {
				t.Errorf("%d dead letters, want %d", n, c.letters)
			}
		})
	}
}

// A server may take no message as large as a dead letter. It is told briefly then,
// or in the log alone, and the events behind it do not wait.
func TestDeadLettersThatAreNotTaken(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("it is broken ", 250)
	for name, c := range map[string]struct {
		name  string // of the plugin
		limit int32  // on the stream, in bytes
		want  int    // dead letters
		says  string // in the log
	}{
		"brief":  {"t", 2000, 1, "storing a short one"},
		"none":   {"t", 500, 0, "event terminated without a dead letter"},
		"no one": {"not a name", 1 << 20, 0, "event terminated without a dead letter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			failed := command(t, bus, "x")
			command(t, bus, "next")
			s, err := bus.JetStream().Stream(t.Context(), streams.Plugin)
			if err != nil {
				t.Fatal(err)
			}
			config := s.CachedInfo().Config
			config.MaxMsgSize = c.limit
			if _, err := bus.JetStream().UpdateStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer // written to between the deliveries' outcomes
			settled := make(chan consumers.Outcome, 100)
			ctx, cancel := context.WithCancel(streamstest.Context(t))
			ended := make(chan error, 1)
			go func() {
				ended <- consumers.Run(ctx, bus, consumers.Config{
					Durable: "plugin-t", Stream: streams.Plugin, Name: c.name, Subjects: []string{event.CommandSubject("t")}, Ordered: true, Backoff: quick,
					Logger: slog.New(slog.NewTextHandler(&log, nil)), Observe: func(o consumers.Outcome) { settled <- o },
				}, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
					if d.Ref == failed {
						return nil, errors.New(long)
					}
					return nil, nil
				})
			}()
			var results []string
			for range len(quick) + 2 {
				results = append(results, next(t, settled).Result)
			}
			if want := fmt.Sprint([]string{consumers.Retried, consumers.Retried, consumers.Dead, consumers.Handled}); fmt.Sprint(results) != want {
				t.Errorf("outcomes %s, want %s", results, want)
			}
			idle(t, bus)
			cancel()
			<-ended
			if !strings.Contains(log.String(), "level=ERROR msg=\"") || !strings.Contains(log.String(), c.says) {
				t.Errorf("the log does not say %q:\n%.3000s", c.says, log.String())
			}
			got := letters(t, bus)
			if len(got) != c.want {
				t.Fatalf("%d dead letters, want %d", len(got), c.want)
			}
			for _, s := range got {
				letter, err := event.As[event.DeadLetter](s.Envelope)
				cause, _ := s.Causation()
				if err != nil || letter.Seq != int64(failed.Seq) || letter.Attempts != 3 || cause != failed || s.CorrelationID == "corr-x" ||
					!strings.HasPrefix(letter.Error, "it is broken") || len(letter.Error) > 300 {
					t.Errorf("the brief letter is %+v of correlation %s and cause %s: %v", letter, s.CorrelationID, cause, err)
				}
			}
		})
	}
}
