package consumers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		handler  func() error
		body     string // published raw instead of a command
		attempts int
		says     string
		stack    bool
	}{
		{name: "error", handler: func() error { return errors.New("no luck") }, attempts: 3, says: "no luck"},
		{name: "panic", handler: func() error { panic("boom") }, attempts: 3, says: "boom", stack: true},
		{name: "permanent", handler: func() error { return consumers.Permanent(errors.New("hopeless")) }, attempts: 1, says: "hopeless"},
		{name: "no JSON", body: `{"subject":`, attempts: 1, says: "malformed event"},
		{name: "no user", body: `{"command":"x"}`, attempts: 1, says: "user is required"},
		{name: "wrong subject", body: `{"subject":"cytube.chat","data":{}}`, attempts: 1, says: "the event came on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			settled, _ := start(t, bus, consumers.Config{Backoff: quick}, func(context.Context, streams.Stored) ([]event.Envelope, error) {
				return nil, c.handler()
			})
			if c.body == "" {
				command(t, bus, "x")
			} else if _, err := bus.JetStream().Publish(t.Context(), event.CommandSubject("t"), []byte(c.body)); err != nil {
				t.Fatal(err)
			}
			for range c.attempts - 1 {
				if o := next(t, settled); o.Result != consumers.Retried {
					t.Errorf("outcome %+v, want a retry", o)
				}
			}
			if o := next(t, settled); o.Result != consumers.Dead {
				t.Errorf("outcome %+v, want a dead letter", o)
			}
			all := streamstest.Stored(t, bus, streams.Plugin)
			letters := only(all, event.EventSubject("t", event.TypeDeadLetter))
			if len(letters) != 1 {
				t.Fatalf("%d dead letters, want 1", len(letters))
			}
			l, err := event.As[event.DeadLetter](letters[0].Envelope)
			if err != nil {
				t.Fatal(err)
			}
			if l.Stream != streams.Plugin || l.Seq != 1 || l.Subject != event.CommandSubject("t") || l.Attempts != c.attempts ||
				!strings.Contains(l.Error, c.says) || (l.Stack != "") != c.stack {
				t.Errorf("dead letter %+v", l)
			}
			if c.body == "" && letters[0].CorrelationID != "corr-x" {
				t.Errorf("the dead letter has correlation %q", letters[0].CorrelationID)
			}
			if len(all) != 2 {
				t.Errorf("the stream holds %d events, want the event itself and its dead letter", len(all))
			}
			idle(t, bus)
		})
	}
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

// Consumers that read all plugins' events and fail read their own and each other's dead
// letters, of which there is a finite number.
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
	// Each dead-letters the event and the other's letter about it, and reads these five
	// events.
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

// A failing consumer dead-letters notices unless they are its own or about notices.
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

// limitMessages makes a stream refuse larger messages.
func limitMessages(t *testing.T, bus *streams.Bus, stream string, size int32) {
	t.Helper()
	s, err := bus.JetStream().Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	config := s.CachedInfo().Config
	config.MaxMsgSize = size
	if _, err := bus.JetStream().UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

// runCommands handles the commands of t until n deliveries are settled, and returns their
// sorted results and the log.
func runCommands(t *testing.T, bus *streams.Bus, name string, n int, h consumers.Handler) (results []string, log string) {
	t.Helper()
	var out bytes.Buffer // written to before each outcome only
	outcomes, ended := make(chan consumers.Outcome, 100), make(chan error, 1)
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	c := consumers.Config{
		Durable: "plugin-t", Stream: streams.Plugin, Name: name, Subjects: []string{event.CommandSubject("t")}, Backoff: quick,
		Logger: slog.New(slog.NewTextHandler(&out, nil)), Observe: func(o consumers.Outcome) { outcomes <- o },
	}
	go func() { ended <- consumers.Run(ctx, bus, c, h) }()
	for range n {
		results = append(results, next(t, outcomes).Result)
	}
	idle(t, bus)
	cancel()
	<-ended
	slices.Sort(results)
	return results, out.String()
}

// A server may refuse messages as large as a dead letter. A short one is stored then,
// or only logged, and the events behind it are handled.
func TestDeadLettersThatAreNotTaken(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a server for each case")
	long := strings.Repeat("it is broken ", 250)
	for name, c := range map[string]struct {
		name  string // of the plugin
		limit int32  // on the stream, in bytes
		want  int    // dead letters
		says  string // in the log
	}{
		"short":  {"t", 2000, 1, "storing a short one"},
		"none":   {"t", 500, 0, "event terminated without a dead letter"},
		"no one": {"not a name", 1 << 20, 0, "event terminated without a dead letter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			failed := command(t, bus, "x")
			command(t, bus, "next")
			limitMessages(t, bus, streams.Plugin, c.limit)
			results, log := runCommands(t, bus, c.name, len(quick)+2, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
				if d.Ref == failed {
					return nil, errors.New(long)
				}
				return nil, nil
			})
			if want := fmt.Sprint([]string{consumers.Dead, consumers.Handled, consumers.Retried, consumers.Retried}); fmt.Sprint(results) != want {
				t.Errorf("outcomes %s, want %s", results, want)
			}
			if !strings.Contains(log, "level=ERROR msg=\"") || !strings.Contains(log, c.says) {
				t.Errorf("the log does not say %q:\n%.3000s", c.says, log)
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
					t.Errorf("the short letter is %+v of correlation %s and cause %s: %v", letter, s.CorrelationID, cause, err)
				}
			}
		})
	}
}
