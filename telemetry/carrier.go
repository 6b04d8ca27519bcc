package telemetry

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Carrier carries a W3C trace context in NATS headers. NATS headers are
// case-sensitive and the standard's names are lower case, so it writes them as
// they are, where propagation.HeaderCarrier would write Traceparent; it reads
// the exact name first and then any other case.
type Carrier map[string][]string

var _ propagation.TextMapCarrier = Carrier{}

// Get is the first value of a header, or "".
func (c Carrier) Get(key string) string {
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

// Set replaces a header.
func (c Carrier) Set(key, value string) { c[key] = []string{value} }

// Keys lists the headers' names.
func (c Carrier) Keys() []string {
	names := make([]string, 0, len(c))
	for name := range c {
		names = append(names, name)
	}
	return names
}

// Inject writes the context's span into headers as traceparent and tracestate.
func Inject(ctx context.Context, headers map[string][]string) {
	propagation.TraceContext{}.Inject(ctx, Carrier(headers))
}

// Extract returns a context whose remote parent span is the one that the
// headers name, or ctx when they name none.
func Extract(ctx context.Context, headers map[string][]string) context.Context {
	if len(headers) == 0 {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, Carrier(headers))
}

// CorrelationOf is the correlation ID that stands for the trace the headers
// name, for publishers that pass a traceparent and no correlation ID, or "".
func CorrelationOf(headers map[string][]string) string {
	sc := trace.SpanContextFromContext(Extract(context.Background(), headers))
	if !sc.IsValid() {
		return ""
	}
	return uuid.UUID(sc.TraceID()).String()
}
