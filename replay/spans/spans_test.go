package spans

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/micro"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/streams/tracing"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// converse runs a router, a plugin that fails at first, and a sender on bus, puts
// chat lines in and waits until each has its echo or its dead letter.
func converse(ctx context.Context, t *testing.T, bus *streams.Bus) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	settled := make(chan consumers.Outcome, 100)
	ended := make(chan error, 3)
	start := func(durable, stream, subject string, h consumers.Handler) {
		c := consumers.Config{Durable: durable, Stream: stream, Subjects: []string{subject}, Name: durable, Attempts: 2,
			Backoff: []time.Duration{time.Millisecond}, Observe: func(o consumers.Outcome) { settled <- o }}
		go func() { ended <- consumers.Run(ctx, bus, c, h) }()
	}
	start("router", streams.Cytube, event.SubjectChat, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		chat, err := event.As[event.Chat](d.Envelope)
		if err != nil || !strings.HasPrefix(chat.Message, "!") {
			return nil, err
		}
		return envelopes(event.CommandSubject("dice"), event.Command{Command: chat.Message[1:], User: chat.User, Channel: chat.Channel})
	})
	start("plugin-dice", streams.Plugin, event.CommandSubject("dice"), func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		c, err := event.As[event.Command](d.Envelope)
		switch {
		case err != nil:
			return nil, err
		case c.Command == "never", c.Command == "later" && d.Attempt == 1:
			return nil, errors.New("no dice")
		}
		return envelopes(event.SubjectSendChat, event.SendChat{Message: "8", Channel: "main"})
	})
	start(senderDurable, streams.Cytube, event.SubjectSendChat, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		heard, err := event.New(event.SubjectChat, event.Chat{User: "rosey", Message: "8", Channel: "main"})
		if err != nil {
			return nil, err
		}
		heard.CorrelationID = d.CorrelationID
		_, err = bus.As("cytube").Publish(ctx, heard.WithMeta(event.MetaCausation, d.Ref.String()))
		return nil, err
	})
	for _, message := range []string{"!now", "!later", "!never"} {
		e := must(event.New(event.SubjectChat, event.Chat{User: "alice", Message: message, Channel: "main"}))
		if _, err := bus.As("cytube").Publish(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	// 3 lines and 2 echoes routed, 3 commands of which two are tried twice, 2 sends.
	for range 3 + 2 + 5 + 2 {
		select {
		case <-settled:
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
	}
	cancel()
	for range 3 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func envelopes(subject string, payload any) ([]event.Envelope, error) {
	e, err := event.New(subject, payload)
	return []event.Envelope{e}, err
}

func export(ctx context.Context, t *testing.T, bus *streams.Bus, q replay.Query) tracetest.SpanStubs {
	t.Helper()
	var got tracetest.InMemoryExporter
	done, err := Export(ctx, bus.JetStream(), q, &got, resource.Empty())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.GetSpans()); n != done.Spans {
		t.Errorf("%d spans were sent, Export says %d", n, done.Spans)
	}
	return got.GetSpans()
}

func history(ctx context.Context, t *testing.T, bus *streams.Bus) []replay.Event {
	t.Helper()
	var all []replay.Event
	for e, err := range replay.Read(ctx, bus.JetStream(), replay.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sent is what a collector sees of spans.
func sent(t *testing.T, spans tracetest.SpanStubs) []string {
	t.Helper()
	var lines []string
	for _, s := range spans {
		lines = append(lines, string(must(json.Marshal(s))))
	}
	return lines
}

func TestExportRebuildsTheLiveSpans(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	var exporter tracetest.InMemoryExporter
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(&exporter), sdktrace.WithIDGenerator(propagation.IDGenerator{}))
	bus := streamstest.Bus(t, streamstest.Server(t), tracing.With(tp.Tracer("")))
	converse(ctx, t, bus)
	live, got := exporter.GetSpans(), export(ctx, t, bus, replay.Query{})

	hasChildren := map[trace.SpanID]bool{}
	for _, s := range live {
		hasChildren[s.Parent.SpanID()] = true
	}
	silent := 0
	rebuilt := map[string]tracetest.SpanStub{}
	for _, s := range got {
		id := s.SpanContext.TraceID().String() + s.SpanContext.SpanID().String()
		if _, ok := rebuilt[id]; ok {
			t.Errorf("%s came twice", s.Name)
		}
		rebuilt[id] = s
	}
	for _, l := range live {
		id := l.SpanContext.TraceID().String() + l.SpanContext.SpanID().String()
		r, ok := rebuilt[id]
		if !ok && hasChildren[l.SpanContext.SpanID()] {
			t.Errorf("%s was not rebuilt", l.Name)
		}
		if !ok {
			silent++
			continue
		}
		delete(rebuilt, id)
		if r.Name != l.Name || r.SpanKind != l.SpanKind || r.Parent.SpanID() != l.Parent.SpanID() || r.Status.Code != l.Status.Code {
			t.Errorf("%s of kind %v below %v with status %v was rebuilt as %s of kind %v below %v with status %v",
				l.Name, l.SpanKind, l.Parent.SpanID(), l.Status.Code, r.Name, r.SpanKind, r.Parent.SpanID(), r.Status.Code)
		}
		have := attribute.NewSet(r.Attributes...)
		for _, a := range l.Attributes {
			if v, ok := have.Value(a.Key); (!ok || v != a.Value) && a.Key != "rosey.queue.wait" {
				t.Errorf("%s: %s is %q, live it was %q", l.Name, a.Key, v.String(), a.Value.String())
			}
		}
	}
	if len(rebuilt) > 0 {
		t.Errorf("%d spans were made up: %v", len(rebuilt), rebuilt)
	}
	// The router handles two echoes and publishes nothing.
	if silent != 2 {
		t.Errorf("%d deliveries without an output were not rebuilt, want 2", silent)
	}
}

func TestExportTwiceIsTheSame(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	// Without a tracer there are no spans to go by but what the streams tell.
	bus := streamstest.Bus(t, streamstest.Server(t))
	converse(ctx, t, bus)
	first := export(ctx, t, bus, replay.Query{})
	if diff := cmp.Diff(sent(t, first), sent(t, export(ctx, t, bus, replay.Query{}))); diff != "" {
		t.Error(diff)
	}
	byID, failed := map[string]bool{}, 0
	for _, s := range first {
		byID[s.SpanContext.TraceID().String()+s.SpanContext.SpanID().String()] = true
		if s.EndTime.Before(s.StartTime) {
			t.Errorf("%s ends before it starts", s.Name)
		}
		if s.Status.Code == codes.Error {
			failed++
		}
	}
	roots := 0
	for _, s := range first {
		switch {
		case !s.Parent.SpanID().IsValid():
			roots++
		case !byID[s.SpanContext.TraceID().String()+s.Parent.SpanID().String()]:
			t.Errorf("the parent of %s is missing", s.Name)
		}
	}
	// The dead letter, and the first attempt at it and at another command.
	if roots != 3 || failed != 3 {
		t.Errorf("%d roots and %d failures, want 3 and 3", roots, failed)
	}
}

// A range that begins in the middle of a conversation is completed to its root.
func TestExportCompletesTraces(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	converse(ctx, t, bus)
	var echo replay.Event
	for _, e := range history(ctx, t, bus) {
		if stored, err := e.Decode(); err == nil && stored.Meta(event.MetaCausation) != "" && e.Subject == event.SubjectChat {
			echo = e // of !later
		}
	}
	id, _ := echo.Lineage()
	got := export(ctx, t, bus, replay.Query{Filter: replay.Filter{Correlation: id, Since: echo.At, Until: echo.At.Add(1)}})
	roots := 0
	for _, s := range got {
		if !s.Parent.SpanID().IsValid() {
			roots++
		}
	}
	// Four events, the router's, the plugin's and the sender's work, and the
	// plugin's first attempt.
	if len(got) != 8 || roots != 1 {
		t.Errorf("%d spans with %d roots, want 8 with 1", len(got), roots)
	}
}

// What is published while a request is answered hangs on that, live and rebuilt.
func TestExportRebuildsAnswers(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	var exporter tracetest.InMemoryExporter
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(&exporter), sdktrace.WithIDGenerator(propagation.IDGenerator{}))
	bus := streamstest.Bus(t, streamstest.Server(t), tracing.With(tp.Tracer("")))
	const subject = "plugin.quiz.request.start"
	svc, err := micro.AddService(bus.Conn(), micro.Config{Name: "quiz", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = svc.Stop() })
	err = svc.AddEndpoint("start", bus.As("plugin-quiz").Service(ctx, func(ctx context.Context, _ event.Envelope) (any, error) {
		e := must(event.New("plugin.quiz.event.begun", map[string]any{"n": 1}))
		_, err := bus.As("plugin-quiz").Publish(ctx, e)
		return map[string]any{"success": true}, err
	}), micro.WithEndpointSubject(subject))
	if err != nil {
		t.Fatal(err)
	}
	line := must(bus.As("cytube").Publish(ctx, must(event.New(event.SubjectChat, event.Chat{User: "alice", Message: "go", Channel: "main"}))))
	first := history(ctx, t, bus)[0]
	stored, err := first.Decode()
	if err != nil || first.Ref != line.Ref {
		t.Fatalf("%v, %v", first.Ref, err)
	}
	handling, span := bus.Tracer().Delivery(ctx, stored, "router")
	if _, err := bus.As("router").Request(handling, subject, map[string]any{}); err != nil {
		t.Fatal(err)
	}
	span.End()
	for len(history(ctx, t, bus)) < 3 || len(exporter.GetSpans()) < 5 {
		if ctx.Err() != nil {
			t.Fatal("not everything was stored")
		}
	}
	parents := func(spans tracetest.SpanStubs) map[string]string {
		names, m := map[string]string{}, map[string]string{}
		for _, s := range spans {
			names[s.SpanContext.SpanID().String()] = s.Name
		}
		for _, s := range spans {
			m[s.SpanContext.SpanID().String()+" "+s.Name] = names[s.Parent.SpanID().String()]
		}
		return m
	}
	if diff := cmp.Diff(parents(exporter.GetSpans()), parents(export(ctx, t, bus, replay.Query{}))); diff != "" {
		t.Errorf("(-live +rebuilt) %s", diff)
	}
}
