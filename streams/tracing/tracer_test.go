package tracing_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/streams/tracing"
	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/oteltest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// peer is a Bus on its own connection whose spans go to a collector under a
// name, or nowhere.
func peer(t *testing.T, s *embedded.Server, service string, exporter sdktrace.SpanExporter) *streams.Bus {
	t.Helper()
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{Service: service, Exporter: exporter, BatchDelay: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	return streamstest.Bus(t, s, tracing.With(tel.Tracer("")), streams.WithSource(service))
}

func handle(ctx context.Context, b *streams.Bus, s streams.Stored, durable string, out ...event.Envelope) ([]streams.Ack, error) {
	ctx, span := b.Tracer().Delivery(ctx, s, durable)
	defer span.End()
	var acks []streams.Ack
	for _, e := range out {
		ack, err := b.Publish(ctx, e)
		if err != nil {
			return acks, err
		}
		acks = append(acks, ack)
	}
	return acks, nil
}

func chat(t *testing.T, text string) event.Envelope {
	t.Helper()
	e, err := event.New(event.SubjectSendChat, event.SendChat{Message: text})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// read reads one event back.
func read(t *testing.T, b *streams.Bus, ref event.Ref) streams.Stored {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), ref.Stream)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := stream.GetMsg(t.Context(), ref.Seq)
	if err != nil {
		t.Fatal(err)
	}
	s, err := streams.ReadRaw(ref.Stream, raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantTree(t *testing.T, r *oteltest.Receiver, correlation, want string) {
	t.Helper()
	id := propagation.TraceID(correlation).String()
	var got *oteltest.Tree
	var problem error
	_, err := r.Wait(streamstest.Context(t), func([]oteltest.Span) bool {
		got, problem = r.Tree(id)
		return problem == nil && got.String() == want
	})
	if err != nil {
		t.Fatalf("the tree is\n%v%v, want\n%s", got, problem, want)
	}
}

// However many processes handle an event that came with no span, at once and
// again, one of them makes its span.
func TestOneSpanForAnEventThatCameWithout(t *testing.T) {
	t.Parallel()
	ctx, s, r := streamstest.Context(t), streamstest.Server(t), oteltest.Start(t)
	// Both kinds: one that begins a conversation, and one that goes on with it.
	first, err := streamstest.Bus(t, s).JetStream().Publish(ctx, event.SubjectSendChat, []byte(`{"subject":"cytube.send.chat","data":{"message":"a"},"correlation_id":"c"}`))
	if err != nil {
		t.Fatal(err)
	}
	peers := []*streams.Bus{peer(t, s, "a", r.Exporter(t, "grpc")), peer(t, s, "b", r.Exporter(t, "grpc")), peer(t, s, "b", r.Exporter(t, "grpc"))}
	stored := read(t, peers[0], event.Ref{Stream: streams.Cytube, Seq: first.Sequence})
	var group sync.WaitGroup
	for _, b := range peers {
		for _, durable := range []string{"x", "y"} {
			group.Go(func() {
				if _, err := handle(ctx, b, stored, durable+b.Source()); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
	spans, err := r.Wait(ctx, func(spans []oteltest.Span) bool { return len(spans) >= len(peers)*2+1 })
	if err != nil {
		t.Fatal(err)
	}
	sends := 0
	for _, span := range spans {
		if span.Name == "send cytube.send.chat" {
			sends++
			if span.ParentID != "" || span.SpanID != propagation.SpanID(propagation.TraceID("c"), tracing.SendSeed(stored.Ref)).String() {
				t.Errorf("the send span is %+v", span)
			}
		}
	}
	if sends != 1 {
		t.Errorf("%d send spans, want 1", sends)
	}
}

// A process with tracing whose peers have none still shows whole trees, from
// what the streams tell.
func TestTreeAmongUntracedPeers(t *testing.T) {
	t.Parallel()
	ctx, s, r := streamstest.Context(t), streamstest.Server(t), oteltest.Start(t)
	dark, bright := peer(t, s, "dark", nil), peer(t, s, "bright", r.Exporter(t, "grpc"))
	command, err := event.New(event.CommandSubject("t"), event.Command{Command: "x", User: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	root, err := dark.Publish(ctx, chat(t, "root"))
	if err != nil {
		t.Fatal(err)
	}
	stored := read(t, dark, root.Ref)
	routed, err := handle(ctx, dark, stored, "router", command)
	if err != nil {
		t.Fatal(err)
	}
	said, err := handle(ctx, bright, read(t, bright, routed[0].Ref), "plugin", chat(t, "answer"))
	if err != nil {
		t.Fatal(err)
	}
	// Without tracing, what others named is passed on.
	echo, err := handle(ctx, dark, read(t, dark, said[0].Ref), "sender", chat(t, "echo"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := handle(ctx, bright, read(t, bright, echo[0].Ref), "plugin"); err != nil {
		t.Fatal(err)
	}
	wantTree(t, r, stored.CorrelationID, `send cytube.send.chat [producer bright]
  send plugin.{name}.command [producer bright]
    process plugin.{name}.command [consumer bright]
      send cytube.send.chat [producer bright]
        process cytube.send.chat [consumer bright]
`)
}

// What is published outside of any span belongs to its conversation all the same.
func TestPublishesOutsideOfSpans(t *testing.T) {
	t.Parallel()
	ctx, s, r := streamstest.Context(t), streamstest.Server(t), oteltest.Start(t)
	one, two := peer(t, s, "one", r.Exporter(t, "grpc")), peer(t, s, "two", r.Exporter(t, "grpc"))
	ctx = propagation.WithCorrelation(ctx, "c")
	cause, err := one.Publish(ctx, chat(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	// The same process again, another one that names the cause, and another one
	// that speaks in this conversation while it handles another.
	if _, err := one.Publish(ctx, chat(t, "b")); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Publish(ctx, chat(t, "c").WithMeta(event.MetaCausation, cause.Ref.String())); err != nil {
		t.Fatal(err)
	}
	other, err := one.Publish(propagation.WithCorrelation(ctx, "other"), chat(t, "other"))
	if err != nil {
		t.Fatal(err)
	}
	aside := chat(t, "d")
	aside.CorrelationID = "c"
	if _, err := handle(ctx, peer(t, s, "three", r.Exporter(t, "grpc")), read(t, one, other.Ref), "three", aside); err != nil {
		t.Fatal(err)
	}
	wantTree(t, r, "c", `send cytube.send.chat [producer one]
  send cytube.send.chat [producer one]
  send cytube.send.chat [producer two]
  send cytube.send.chat [producer three]
`)
	wantTree(t, r, "other", `send cytube.send.chat [producer one]
  process cytube.send.chat [consumer three]
`)
	tree, err := r.Tree(propagation.TraceID("c").String())
	if err != nil {
		t.Fatal(err)
	}
	if links := tree.Children[2].Links; len(links) != 1 || links[0].TraceID != propagation.TraceID("other").String() {
		t.Errorf("the aside has links %v", links)
	}
}

// Requests that come without a span but with a conversation are found in it.
func TestRequestsOfConversationsThatOthersBegan(t *testing.T) {
	t.Parallel()
	ctx, s, r := streamstest.Context(t), streamstest.Server(t), oteltest.Start(t)
	one, two := peer(t, s, "one", r.Exporter(t, "grpc")), peer(t, s, "two", r.Exporter(t, "grpc"))
	if _, err := one.Publish(propagation.WithCorrelation(ctx, "c"), chat(t, "a")); err != nil {
		t.Fatal(err)
	}
	for _, header := range []nats.Header{nil, {"traceparent": {"00-11111111111111111111111111111111-2222222222222222-01"}}} {
		_, span := two.Tracer().Answer(ctx, streams.Stored{Envelope: event.Envelope{Subject: event.SubjectGet, CorrelationID: "c"}, At: time.Now(), Header: header})
		span.End()
	}
	wantTree(t, r, "c", `send cytube.send.chat [producer one]
  process database.get [server two]
  process database.get [server two]
`)
}
