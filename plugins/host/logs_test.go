package host_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/tracing"
	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// buffer is a log that several write.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// failing returns a plugin whose every answer fails because of what was typed.
func failing(typed string) plugins.Plugin {
	p := plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		switch c.Command.Args[0] {
		case "error":
			return nil, event.Errorf(event.DatabaseError, "no such thing: %s by %s", c.Command.Args[1], c.Command.User)
		case "panic":
			panic(c.Command.Args[1])
		case "record":
			var found []struct{ N int }
			_, err := c.DB("words").Find(plugins.Query{}, &found)
			return nil, err
		}
		return nil, event.Errorf(event.InvalidInput, "%s?", c.Command.Args[1])
	})
	p.Requests = []plugins.Endpoint{{Action: "word", Handle: func(*plugins.Context) (any, error) {
		return nil, event.Errorf(event.RecordNotFound, "no %s", typed)
	}}}
	return p
}

// hosted runs the plugin until the test ends, and returns what it logs above level debug and
// its spans.
func hosted(t *testing.T, channel *plugintest.Channel, p plugins.Plugin) (*buffer, *tracetest.SpanRecorder) {
	t.Helper()
	kv, err := router.OpenBucket(t.Context(), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	out := new(buffer)
	log, err := telemetry.NewLogger(out, "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithIDGenerator(propagation.IDGenerator{})).Tracer("test")
	bus := streams.NewBus(channel.Bus.Conn(), channel.Bus.JetStream(), streams.WithLogger(log), tracing.With(tracer))
	started := make(chan error, 1)
	h := host.Host{Bus: bus, Bucket: kv, Logger: log, Backoff: []time.Duration{time.Millisecond}, OnStart: func(err error) { started <- err }}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx, p) })
	t.Cleanup(func() { cancel(); running.Wait() })
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	return out, spans
}

// What somebody typed, and who, is in no log above level debug and in no span, whatever fails
// because of it: a handler's error or panic, a request, its dead letter, a record that does
// not fit.
func TestLogsAndSpansHoldNoTexts(t *testing.T) {
	t.Parallel()
	const typed, user = "zebra", "mallory"
	private := func(s string) bool { return strings.Contains(s, typed) || strings.Contains(s, user) }
	channel, p := plugintest.Run(t), failing(typed) // the channel runs no plugin
	logged, spans := hosted(t, channel, p)
	if _, err := channel.Request(event.SubjectSet, map[string]any{"collection": "words", "id": 1, "data": map[string]any{"n": typed}}); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"error", "panic", "record", "input"} {
		channel.Publish(event.CommandSubject(p.Name), event.Command{Command: "x", Args: []string{what, typed}, User: user, Channel: plugintest.ChannelName})
	}
	if _, err := channel.Request(event.RequestSubject(p.Name, "word"), map[string]any{}); event.CodeOf(err) != event.RecordNotFound {
		t.Errorf("the request: %v", err)
	}
	channel.Emitted(event.EventSubject(p.Name, event.TypeDeadLetter))
	channel.Emitted(event.EventSubject(p.Name, event.TypeDeadLetter))
	channel.Next() // the answer to the last command
	for _, want := range []string{"request failed", "event dead-lettered", "handler failed, retrying", "record skipped", "command answered with an error"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("nothing is logged of %q", want)
		}
	}
	for line := range strings.Lines(logged.String()) {
		if private(line) {
			t.Error("logged: ", line)
		}
	}
	failed := 0
	for _, span := range spans.Ended() {
		if span.Status().Code == codes.Error {
			failed++
		}
		if said := fmt.Sprint(span.Name(), span.Attributes(), span.Events(), span.Status()); private(said) {
			t.Error("in a span: ", said)
		}
	}
	if failed < 4 {
		t.Errorf("%d spans failed", failed)
	}
}
