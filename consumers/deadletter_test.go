package consumers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// letters are the dead letters of all consumers.
func letters(t *testing.T, bus *streams.Bus) (all []streams.Stored) {
	t.Helper()
	for _, s := range stored(t, bus, streams.Plugin) {
		if event.Match(event.EventSubject("*", event.TypeDeadLetter), s.Subject) {
			all = append(all, s)
		}
	}
	return all
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
		"brief":  {"t", 2000, 1, "a brief one is stored"},
		"none":   {"t", 500, 0, "given up without a dead letter"},
		"no one": {"not a name", 1 << 20, 0, "given up without a dead letter"},
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
