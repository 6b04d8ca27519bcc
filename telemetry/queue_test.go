package telemetry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/oteltest"
)

func stubs(n int) []sdktrace.ReadOnlySpan {
	var all tracetest.SpanStubs
	for i := range n {
		all = append(all, tracetest.SpanStub{Name: "span", SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{byte(i + 1)}, TraceFlags: trace.FlagsSampled,
		})})
	}
	return all.Snapshots()
}

// Whatever is wrong with the collector, ending a span never waits for it, and
// of all spans each is counted that did not get through. Ending the spans would
// never return, and the test with it, if one of them waited.
func TestDeadCollectorCostsSpansAndNothingElse(t *testing.T) {
	const n = 20_000
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		for name, endpoint := range map[string]func(testing.TB) string{"refused": oteltest.Refused, "black hole": oteltest.BlackHole} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				var lines buffer
				log, err := telemetry.NewLogger(&lines, "info", "text")
				if err != nil {
					t.Fatal(err)
				}
				setenv(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint(t), "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol,
					"OTEL_BSP_MAX_QUEUE_SIZE=1000", "OTEL_BSP_SCHEDULE_DELAY=1")
				p := setup(t, telemetry.Config{Logger: log})
				tracer := p.Tracer("test")
				for range n {
					_, span := tracer.Start(context.Background(), "span")
					span.End()
				}
				page := scrape(t, p.Metrics)
				if dropped, _ := sample(t, page, "rosey_span_dropped_total"); dropped == 0 || dropped > n {
					t.Errorf("%v of %d spans are counted as dropped at a queue of 1000", dropped, n)
				}
				// The process ends now; it does not wait for a batch's 10 s.
				ended, cancel := context.WithCancel(testContext(t))
				cancel()
				if err := p.Shutdown(ended); err != nil {
					t.Errorf("a dead collector made the end a failure: %v", err)
				}
				if n := strings.Count(lines.String(), "spans dropped, is"); n != 1 {
					t.Errorf("the log says %d times that spans are dropped:\n%s", n, &lines)
				}
				// Where connections are refused all of them may be lost before.
				if name == "black hole" && !strings.Contains(lines.String(), "spans dropped at shutdown") {
					t.Errorf("the log does not say that spans were dropped at shutdown:\n%s", &lines)
				}
			})
		}
	}
}

// No span is lost without being counted.
func TestEveryDroppedSpanIsCounted(t *testing.T) {
	const n = 5000
	ctx := testContext(t)
	setenv(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+oteltest.Refused(t), "OTEL_EXPORTER_OTLP_TIMEOUT=1",
		"OTEL_BSP_MAX_QUEUE_SIZE=100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=50", "OTEL_BSP_SCHEDULE_DELAY=1")
	p := setup(t, telemetry.Config{})
	tracer := p.Tracer("test")
	for range n {
		_, span := tracer.Start(ctx, "span")
		span.End()
	}
	for {
		got, _ := sample(t, scrape(t, p.Metrics), "rosey_span_dropped_total")
		if got == n {
			return
		}
		if got > n || ctx.Err() != nil {
			t.Fatalf("%v spans are counted as dropped, want %d", got, n)
		}
	}
}

// A collector that hangs holds the end of the process up for 3 s and no longer,
// and leaves nothing running.
func TestShutdownIsBounded(t *testing.T) {
	streamstest.Slow(t, "waits for a collector that hangs")
	ctx := testContext(t)
	var lines buffer
	log, err := telemetry.NewLogger(&lines, "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	setenv(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+oteltest.BlackHole(t),
		"OTEL_EXPORTER_OTLP_TIMEOUT=3600000", "OTEL_BSP_EXPORT_TIMEOUT=3600000")
	p := setup(t, telemetry.Config{Logger: log})
	for range 700 {
		_, span := p.Tracer("test").Start(ctx, "span")
		span.End()
	}
	if err := p.Shutdown(ctx); err != nil || ctx.Err() != nil {
		t.Errorf("shutting down gave %v", err)
	}
	if !strings.Contains(lines.String(), "lost=700") {
		t.Errorf("the log does not say how many spans were lost:\n%s", &lines)
	}
}

// What waits when the process ends still gets through.
func TestShutdownSendsWhatWaits(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	r := oteltest.Start(t)
	p := setup(t, telemetry.Config{Exporter: r.Exporter(t, "grpc"), BatchDelay: time.Hour})
	const n = 1500
	for i := range n {
		_, span := p.Tracer("test").Start(ctx, fmt.Sprint(i))
		span.End()
	}
	if err := p.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if got := len(r.Spans()); got != n {
		t.Errorf("%d spans arrived, want %d", got, n)
	}
}

type brokenExporter struct{}

func (brokenExporter) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error {
	return errors.New("broken pipe")
}

func (brokenExporter) Shutdown(context.Context) error { return nil }

// A collector that stays away is complained about once a minute, with the
// number of spans lost since the last complaint. The clock is the test's.
func TestLostSpansAreLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines buffer
		log, err := telemetry.NewLogger(&lines, "info", "json")
		if err != nil {
			t.Fatal(err)
		}
		p := setup(t, telemetry.Config{Logger: log, Exporter: brokenExporter{}})
		for range 10 * 60 {
			_, span := p.Tracer("test").Start(t.Context(), "span")
			span.End()
			time.Sleep(time.Second)
		}
		for range 600 {
			p.Handle(errors.New("something inside OpenTelemetry"))
			time.Sleep(time.Second)
		}
		var told, complaints, errors int
		for line := range strings.Lines(lines.String()) {
			var l struct {
				Msg     string
				Dropped int
				Error   string
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if strings.Contains(l.Msg, "spans dropped, is") {
				complaints, told = complaints+1, told+l.Dropped
			}
			if l.Error == "something inside OpenTelemetry" {
				errors++
			}
		}
		if complaints != 10 || told < 9*60 || told > 10*60 {
			t.Errorf("in ten minutes there were %d complaints about %d of 600 lost spans:\n%s", complaints, told, &lines)
		}
		if errors != 10 {
			t.Errorf("in ten minutes OpenTelemetry's error was logged %d times", errors)
		}
	})
}
