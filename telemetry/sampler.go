package telemetry

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// RatioSampler returns a sampler of a share of all traces, from 0 to 1, that decides by
// trace ID alone, so that every process decides alike and a larger share includes a
// smaller one. It replaces OpenTelemetry's TraceIDRatioBased, which compares the ID's
// last eight bytes: there a UUID has fixed bits, so that shares up to a half sample
// nothing and shares from three quarters sample everything. No bytes of an ID are
// random where any UUID is a correlation ID (the first six of a version 7 are the time
// of day), so RatioSampler hashes all sixteen.
func RatioSampler(ratio float64) sdktrace.Sampler {
	return ratioSampler{ratio: ratio, below: uint64(math.Ldexp(min(max(ratio, 0), 1), 53))}
}

type ratioSampler struct {
	ratio float64
	below uint64 // of 2^53
}

func (s ratioSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	r := sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
	hash := sha256.Sum256(p.TraceID[:])
	if binary.BigEndian.Uint64(hash[:])>>11 < s.below {
		r.Decision = sdktrace.RecordAndSample
	}
	return r
}

func (s ratioSampler) Description() string { return fmt.Sprintf("RatioSampler{%g}", s.ratio) }

const samplerArg = "OTEL_TRACES_SAMPLER_ARG"

// samplers are the values of OTEL_TRACES_SAMPLER.
var samplers = []string{"always_off", "always_on", "parentbased_always_off", "parentbased_always_on", "parentbased_traceidratio", "traceidratio"}

func samplerName() string { return strings.ToLower(getenv("OTEL_TRACES_SAMPLER")) }

// newSampler returns the sampler that the environment names, with RatioSampler for the
// ratios. It relies on checkEnvironment.
func newSampler() sdktrace.Sampler {
	name, parentBased := strings.CutPrefix(cmp.Or(samplerName(), "parentbased_always_on"), "parentbased_")
	s := sdktrace.AlwaysSample()
	switch name {
	case "always_off":
		s = sdktrace.NeverSample()
	case "traceidratio":
		if ratio, err := strconv.ParseFloat(getenv(samplerArg), 64); err == nil {
			s = RatioSampler(ratio)
		}
	}
	if parentBased {
		s = sdktrace.ParentBased(s)
	}
	return s
}
