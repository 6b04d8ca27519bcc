package telemetry_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/google/uuid"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

const traces = 100_000

// correlationIDs are the kinds of IDs that people and programs make up.
var correlationIDs = map[string]func(i int) string{
	"random UUID (version 4)":  func(int) string { return uuid.NewString() },
	"time UUID (version 7)":    func(int) string { return uuid.Must(uuid.NewV7()).String() },
	"time UUID (version 1)":    func(int) string { return uuid.Must(uuid.NewUUID()).String() },
	"UUID without hyphens":     func(int) string { id := uuid.New(); return fmt.Sprintf("%x", id[:]) },
	"text that counts upwards": func(i int) string { return fmt.Sprintf("trivia-round-%d", i) },
}

// OpenTelemetry's own ratio sampler samples none of a hundred thousand UUIDs at
// a half and all of them at three quarters; ours must sample what it was told,
// whatever the IDs look like.
func TestRatioSamplerSamplesItsShare(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "samples hundreds of thousands of traces")
	for kind, id := range correlationIDs {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ids := make([]trace.TraceID, traces)
			for i := range ids {
				ids[i] = propagation.TraceID(id(i))
			}
			for _, ratio := range []float64{0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 1} {
				s := telemetry.RatioSampler(ratio)
				n := 0
				for _, id := range ids {
					if sampled(s, id) {
						n++
					}
				}
				// Six standard deviations of a binomial distribution: by chance
				// once in five hundred million runs.
				slack := 6 * math.Sqrt(traces*ratio*(1-ratio))
				if want := traces * ratio; math.Abs(float64(n)-want) > slack {
					t.Errorf("ratio %v sampled %d of %d, want %.0f give or take %.0f", ratio, n, traces, want, slack)
				}
			}
		})
	}
}

func TestLargerRatioIncludesSmaller(t *testing.T) {
	t.Parallel()
	small, large := telemetry.RatioSampler(0.2), telemetry.RatioSampler(0.6)
	for range traces {
		id := trace.TraceID(uuid.New())
		if sampled(small, id) && !sampled(large, id) {
			t.Fatalf("%s is sampled at 0.2 and not at 0.6", id)
		}
		if sampled(small, id) != sampled(telemetry.RatioSampler(0.2), id) {
			t.Fatalf("two samplers of one ratio disagree on %s", id)
		}
	}
}

func TestRatioSamplerKeepsTracestate(t *testing.T) {
	t.Parallel()
	state, err := trace.ParseTraceState("vendor=1")
	if err != nil {
		t.Fatal(err)
	}
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(uuid.New()), SpanID: trace.SpanID{1}, TraceState: state})
	r := telemetry.RatioSampler(1).ShouldSample(sdktrace.SamplingParameters{
		ParentContext: trace.ContextWithSpanContext(context.Background(), parent), TraceID: parent.TraceID(),
	})
	if r.Tracestate.String() != "vendor=1" {
		t.Errorf("tracestate became %q", r.Tracestate)
	}
}

func sampled(s sdktrace.Sampler, id trace.TraceID) bool {
	r := s.ShouldSample(sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: id})
	return r.Decision == sdktrace.RecordAndSample
}

func TestSampler(t *testing.T) {
	for _, tt := range []struct {
		kind, arg  string
		root       int  // of 1,000
		sampled    bool // whether a child of a sampled remote parent is
		notSampled bool // whether a child of a remote parent that is not sampled is
	}{
		{"", "", 1000, true, false},
		{"always_on", "", 1000, true, true},
		{"ALWAYS_OFF", "", 0, false, false},
		{"parentbased_always_on", "0.1", 1000, true, false},
		{"parentbased_always_off", "", 0, true, false},
		{"traceidratio", "0", 0, false, false},
		{"traceidratio", "", 1000, true, true},
		{"parentbased_traceidratio", "0", 0, true, false},
		{"parentbased_traceidratio", "0.5", 500, true, false},
	} {
		t.Run(tt.kind+" "+tt.arg, func(t *testing.T) {
			ctx := testContext(t)
			setenv(t, "OTEL_TRACES_SAMPLER="+tt.kind, "OTEL_TRACES_SAMPLER_ARG="+tt.arg)
			p := setup(t, telemetry.Config{Exporter: tracetest.NewInMemoryExporter()})
			tracer := p.Tracer("test")
			isSampled := func(ctx context.Context) bool {
				_, span := propagation.StartSpan(ctx, tracer, "span", "")
				return span.SpanContext().IsSampled()
			}
			n := 0
			for range 1000 {
				if isSampled(propagation.WithCorrelation(ctx, uuid.NewString())) {
					n++
				}
			}
			// Eight standard deviations where there is any chance in it.
			if n < tt.root-130 || n > tt.root+130 || (tt.root%1000 == 0 && n != tt.root) {
				t.Errorf("%d of 1000 roots are sampled, want %d", n, tt.root)
			}
			for flags, want := range map[trace.TraceFlags]bool{trace.FlagsSampled: tt.sampled, 0: tt.notSampled} {
				id := uuid.New()
				parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(id), SpanID: trace.SpanID{1}, TraceFlags: flags, Remote: true})
				ctx := trace.ContextWithRemoteSpanContext(propagation.WithCorrelation(ctx, id.String()), parent)
				if got := isSampled(ctx); got != want {
					t.Errorf("a child of a remote parent with flags %s is sampled: %t, want %t", flags, got, want)
				}
			}
		})
	}
}
