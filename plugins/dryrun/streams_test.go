package dryrun_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/plugins/quotedb"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Whatever a plugin does in a dry run, it cannot be seen from outside: no stream
// holds more than before, and nobody who listens hears anything.
func TestNothingReachesTheLiveStreams(t *testing.T) {
	t.Parallel()
	busy := func(word string) plugins.Handler {
		return func(c *plugins.Context) ([]event.Envelope, error) {
			if _, err := c.DB("things").Add(map[string]any{"word": word}); err != nil {
				return nil, err
			}
			if _, err := c.DB(word).Set("x", map[string]any{}); err != nil {
				return nil, err
			}
			_, err := c.Request(event.RequestSubject("quote-db"), map[string]any{"action": "add", "text": word, "user": "alice"})
			if err != nil {
				return nil, err
			}
			if err := errors.Join(c.After(time.Second, "bell", "rung", nil), c.CancelTimer("other"), c.Publish(c.Emit("early", nil)...)); err != nil {
				return nil, err
			}
			return append(c.Say("%s", word), append(c.PM("bob", "%s", word), c.Emote("%s", word)...)...), nil
		}
	}
	then, now := tester(behaviour{"it": busy("then")}), tester(behaviour{"it": busy("now")})
	now.Start = func(c *plugins.Context) error { return c.Publish(c.Emit("started", nil)...) }
	channel := plugintest.Run(t, then, quotedb.New())
	channel.Say("alice", "!test it")
	channel.Emitted(event.EventSubject("tester", "rung")) // no timer is pending
	channel.Settle("tester")
	heard := make(chan string, 1000)
	sub, err := channel.Bus.Conn().Subscribe(">", func(msg *nats.Msg) {
		read := strings.HasPrefix(msg.Reply, "$JS.ACK.") // a stored event on its way to who reads it
		if !read && !strings.HasPrefix(msg.Subject, "$JS.") && !strings.HasPrefix(msg.Subject, "_INBOX.") {
			heard <- msg.Subject
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	before := state(t, channel)
	kase := record(t, channel, now, replay.Filter{})
	for range 2 {
		results := run(t, kase, now, quotedb.New())
		if len(results) != 1 || results[0].Status() != dryrun.Changed || !strings.Contains(text(t, results[0]), "said then | now now") {
			t.Fatalf("%+v", results)
		}
	}
	if diff := cmp.Diff(before, state(t, channel)); diff != "" {
		t.Errorf("the streams changed: %s", diff)
	}
	if err := channel.Bus.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case subject := <-heard:
		t.Errorf("%s was heard", subject)
	default:
	}
}

// state is what every stream holds and how it is configured.
func state(t *testing.T, channel *plugintest.Channel) map[string]any {
	t.Helper()
	all := map[string]any{}
	lister := channel.Bus.JetStream().ListStreams(streamstest.Context(t))
	for info := range lister.Info() {
		config, err := json.Marshal(info.Config)
		if err != nil {
			t.Fatal(err)
		}
		all[info.Config.Name] = []any{info.State.LastSeq, info.State.Msgs, info.State.Bytes, string(config)}
	}
	if err := lister.Err(); err != nil || len(all) < 9 {
		t.Fatalf("%d streams: %v", len(all), err)
	}
	return all
}

// A dry run is a trace of its own for each event, linked to the one of then.
func TestTraces(t *testing.T) {
	t.Parallel()
	p := tester(behaviour{"it": tally(1)})
	channel := plugintest.Run(t, p)
	const then = "4bf92f3577b34da6a3ce929d0e0e4736"
	msg := nats.NewMsg(event.CommandSubject("tester"))
	msg.Data = []byte(`{"command":"test","args":["it"],"user":"alice","channel":"test"}`)
	msg.Header["traceparent"] = []string{"00-" + then + "-00f067aa0ba902b7-01"}
	if _, err := channel.Bus.JetStream().PublishMsg(streamstest.Context(t), msg); err != nil {
		t.Fatal(err)
	}
	channel.Next()
	channel.Settle("tester")
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithIDGenerator(propagation.IDGenerator{}))
	kase := record(t, channel, p, replay.Filter{})
	for r, err := range dryrun.Run(streamstest.Context(t), kase, p, dryrun.Options{Tracer: provider.Tracer("")}) {
		if err != nil || r.Status() != dryrun.Same {
			t.Fatalf("%v, %s", err, text(t, r))
		}
	}
	ended := spans.Ended()
	root := ended[len(ended)-1]
	if root.Parent().IsValid() || root.SpanContext().TraceID().String() == then || root.Name() != "dry run plugin.{name}.command" {
		t.Errorf("the root is %s of trace %s below %s", root.Name(), root.SpanContext().TraceID(), root.Parent().SpanID())
	}
	if links := root.Links(); len(links) != 1 || links[0].SpanContext.TraceID().String() != then || links[0].SpanContext.SpanID().String() != "00f067aa0ba902b7" {
		t.Errorf("the root's links are %v", links)
	}
	if len(ended) < 3 {
		t.Errorf("%d spans, want the handling and its requests", len(ended))
	}
	for _, s := range ended {
		if s.SpanContext().TraceID() != root.SpanContext().TraceID() {
			t.Errorf("span %s is in trace %s", s.Name(), s.SpanContext().TraceID())
		}
	}
}
