package propagation

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// HeaderCorrelation carries the correlation ID beside the body, so that a bare payload
// can have one too.
const HeaderCorrelation = "Rosey-Correlation-Id"

// Headers are the names of the headers that Inject writes.
var Headers = append([]string{HeaderCorrelation}, propagation.TraceContext{}.Fields()...)

// Inject writes the correlation ID and the span of ctx into headers.
func Inject(ctx context.Context, headers map[string][]string) {
	if id := Correlation(ctx); id != "" {
		headers[HeaderCorrelation] = []string{id}
	}
	propagation.TraceContext{}.Inject(ctx, carrier(headers))
}

// Extract returns a context whose remote parent span is the one in the headers, or ctx
// when there is none. The correlation ID is CorrelationOf's.
func Extract(ctx context.Context, headers map[string][]string) context.Context {
	if len(headers) == 0 {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, carrier(headers))
}

// RemoteSpan returns the span in the headers, which is not valid when there is none.
func RemoteSpan(headers map[string][]string) trace.SpanContext {
	return trace.SpanContextFromContext(Extract(context.Background(), headers))
}

// traceCorrelation returns the correlation ID that stands for the trace in the headers,
// for publishers that pass a traceparent and no correlation ID, or "".
func traceCorrelation(headers map[string][]string) string {
	span := RemoteSpan(headers)
	if !span.IsValid() {
		return ""
	}
	return uuid.UUID(span.TraceID()).String()
}

// carrier reads and writes NATS headers for OpenTelemetry. NATS headers are
// case-sensitive and the standard's names are lower case, so it writes them as they
// are, where propagation.HeaderCarrier would write Traceparent; it reads the exact name
// first and then any other case.
type carrier map[string][]string

func (c carrier) Get(key string) string {
	if v, ok := c[key]; ok && len(v) > 0 {
		return v[0]
	}
	least, value := "", ""
	for name, v := range c {
		if len(v) > 0 && strings.EqualFold(name, key) && (least == "" || name < least) {
			least, value = name, v[0]
		}
	}
	return value
}

func (c carrier) Set(key, value string) { c[key] = []string{value} }

func (c carrier) Keys() []string { return slices.Collect(maps.Keys(c)) }
