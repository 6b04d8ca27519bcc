package telemetry_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/google/uuid"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

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
