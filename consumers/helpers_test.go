package consumers_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// start runs a consumer of plugin.t.command until the test ends or stop is called. The
// outcomes are sent to settled unless c.Observe is set.
func start(t *testing.T, bus *streams.Bus, c consumers.Config, h consumers.Handler) (settled chan consumers.Outcome, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	settled = make(chan consumers.Outcome, 1000)
	c.Durable, c.Stream, c.Name = "plugin-t", streams.Plugin, "t"
	if c.Subjects == nil {
		c.Subjects = []string{event.CommandSubject("t")}
	}
	if c.Observe == nil {
		c.Observe = func(o consumers.Outcome) { settled <- o }
	}
	ended := make(chan error, 1)
	go func() { ended <- consumers.Run(ctx, bus, c, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return settled, stop
}

func command(t *testing.T, bus *streams.Bus, name string) event.Ref {
	t.Helper()
	e, err := event.New(event.CommandSubject("t"), event.Command{Command: name, User: "alice", Channel: "main"})
	if err != nil {
		t.Fatal(err)
	}
	e.CorrelationID = "corr-" + name
	ack, err := bus.Publish(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return ack.Ref
}

func say(t *testing.T, text string) event.Envelope {
	t.Helper()
	e, err := event.New(event.SubjectSendChat, event.SendChat{Message: text})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func next[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(3 * time.Minute):
		t.Fatal("timed out")
		panic("unreachable")
	}
}

func only(all []streams.Stored, subject string) []streams.Stored {
	return slices.DeleteFunc(slices.Clone(all), func(s streams.Stored) bool { return s.Subject != subject })
}

var quick = []time.Duration{time.Millisecond, time.Millisecond}

// idle waits until the consumer has neither pending nor unacknowledged events. The
// server processes acks asynchronously.
func idle(t *testing.T, bus *streams.Bus) *jetstream.ConsumerInfo {
	t.Helper()
	ctx := streamstest.Context(t)
	for {
		info := consumer(t, bus)
		if info.NumPending == 0 && info.NumAckPending == 0 {
			return info
		}
		select {
		case <-ctx.Done():
			t.Fatalf("still pending: %d, unacknowledged: %d", info.NumPending, info.NumAckPending)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func consumer(t *testing.T, bus *streams.Bus) *jetstream.ConsumerInfo {
	t.Helper()
	c, err := bus.JetStream().Consumer(t.Context(), streams.Plugin, "plugin-t")
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo()
}

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

// logWatch is a log that sends each line with a text to a channel.
type logWatch struct {
	text  string
	lines chan string
}

func (w logWatch) Write(p []byte) (int, error) {
	if line := string(p); strings.Contains(line, w.text) {
		w.lines <- line
	}
	return len(p), nil
}

// watchLog returns an option of a bus and the lines of its log that contain text.
func watchLog(text string) (streams.BusOption, <-chan string) {
	w := logWatch{text: text, lines: make(chan string, 100)}
	return streams.WithLogger(slog.New(slog.NewTextHandler(w, nil))), w.lines
}
