// Package spans rebuilds the OpenTelemetry spans of past conversations from the
// streams alone, for a collector that was not there at the time.
package spans

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
)

const (
	// scope is the instrumentation scope of rebuilt spans.
	scope = "github.com/rosey-bot/rosey/replay"
	// batchSize is how many spans are sent at once, about.
	batchSize = 512
)

// Result counts what Export sent.
type Result struct{ Traces, Spans int }

// Export rebuilds the spans of the conversations that a query matches, and sends them.
// It is idempotent: spans have the IDs of the live ones, since a send span is named in
// its event's traceparent and a process span's ID follows from the consumer, the event
// and the attempt, so that a backend that has a span already stores it again under the
// same ID. A delivery that left no event behind cannot be rebuilt, unless a later
// attempt shows that it failed: see docs/tracing.md. Events before the range are added
// where a trace would have no root without them. The error wraps replay.ErrNoMatch when
// nothing matches.
func Export(ctx context.Context, js jetstream.JetStream, q replay.Query, exporter sdktrace.SpanExporter, res *resource.Resource) (Result, error) {
	var done Result
	if q.Follow {
		return done, event.Errorf(event.InvalidInput, "exporting needs an end: do not follow")
	}
	var batch collector
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(&batch), sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithIDGenerator(givenIDs{}), sdktrace.WithResource(res))
	flush := func() error {
		if len(batch.spans) == 0 {
			return nil
		}
		if err := exporter.ExportSpans(ctx, batch.spans); err != nil {
			return fmt.Errorf("send %d spans: %w", len(batch.spans), err)
		}
		done.Spans += len(batch.spans)
		batch.spans = nil
		return nil
	}
	for c, err := range replay.Conversations(ctx, js, q) {
		if err == nil {
			err = c.AddCauses(ctx, js)
		}
		if err != nil {
			return done, err
		}
		done.Traces++
		newBuilder(c, provider.Tracer(scope)).emit()
		if len(batch.spans) >= batchSize {
			if err := flush(); err != nil {
				return done, err
			}
		}
	}
	if err := flush(); err != nil {
		return done, err
	}
	if done.Traces == 0 {
		return done, replay.NoMatch(ctx, js, q.Filter)
	}
	return done, nil
}

// collector is a span processor that keeps ended spans for Export to send: a batch
// processor would report a failed export to nobody.
type collector struct{ spans []sdktrace.ReadOnlySpan }

func (c *collector) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (c *collector) OnEnd(s sdktrace.ReadOnlySpan)                   { c.spans = append(c.spans, s) }
func (c *collector) Shutdown(context.Context) error                  { return nil }
func (c *collector) ForceFlush(context.Context) error                { return nil }

// givenIDs is an ID generator that returns the IDs of the span context in ctx.
type givenIDs struct{}

type givenKey struct{}

func withIDs(ctx context.Context, sc trace.SpanContext) context.Context {
	return context.WithValue(ctx, givenKey{}, sc)
}

func (givenIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	sc, _ := ctx.Value(givenKey{}).(trace.SpanContext)
	return sc.TraceID(), sc.SpanID()
}

func (g givenIDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	_, id := g.NewIDs(ctx)
	return id
}
