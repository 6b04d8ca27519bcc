package telemetry

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// RatioSampler samples a share of all traces, from 0 to 1, by trace ID alone,
// so that every process decides alike and a larger share includes a smaller
// one. It stands in for OpenTelemetry's TraceIDRatioBased, which compares the
// ID's last eight bytes: there a UUID has fixed bits, so that shares up to a
// half sampled nothing and shares from three quarters sampled everything. No
// bytes of an ID can be taken as random where any UUID is a correlation ID (the
// first six of a version 7 are the time of day), so the decision is by a hash
// of all sixteen.
func RatioSampler(ratio float64) sdktrace.Sampler {
	return ratioSampler{ratio: ratio, below: uint64(math.Ldexp(min(max(ratio, 0), 1), 53))}
}

type ratioSampler struct {
	ratio float64
	below uint64 // of 2^53
}

func (s ratioSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	r := sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
	h := mix(binary.BigEndian.Uint64(p.TraceID[:8]))
	h = mix(h ^ binary.BigEndian.Uint64(p.TraceID[8:]))
	if h>>11 < s.below {
		r.Decision = sdktrace.RecordAndSample
	}
	return r
}

func (s ratioSampler) Description() string { return fmt.Sprintf("RatioSampler{%g}", s.ratio) }

// mix spreads every bit of x over all bits of the result (the finalizer of
// SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// samplers are the values of OTEL_TRACES_SAMPLER.
var samplers = map[string]func(ratio float64) sdktrace.Sampler{
	"always_on":                always(sdktrace.AlwaysSample()),
	"always_off":               always(sdktrace.NeverSample()),
	"traceidratio":             RatioSampler,
	"parentbased_always_on":    always(sdktrace.ParentBased(sdktrace.AlwaysSample())),
	"parentbased_always_off":   always(sdktrace.ParentBased(sdktrace.NeverSample())),
	"parentbased_traceidratio": func(ratio float64) sdktrace.Sampler { return sdktrace.ParentBased(RatioSampler(ratio)) },
}

func always(s sdktrace.Sampler) func(float64) sdktrace.Sampler {
	return func(float64) sdktrace.Sampler { return s }
}

func (e *environment) sampler() sdktrace.Sampler {
	kind := e.choice("parentbased_always_on", sortedKeys(samplers), "OTEL_TRACES_SAMPLER")
	ratio := 1.0
	if kind == "traceidratio" || kind == "parentbased_traceidratio" {
		if name, v := e.first("OTEL_TRACES_SAMPLER_ARG"); name != "" {
			r, err := strconv.ParseFloat(v, 64)
			if err != nil || !(r >= 0 && r <= 1) {
				e.invalid(name, "%q is not a share from 0 to 1, for example 0.25", v)
			} else {
				ratio = r
			}
		}
	}
	return samplers[kind](ratio)
}
