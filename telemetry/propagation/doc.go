// Package propagation carries the correlation ID, the causing event and the trace
// context from a context to a message's headers and metadata and back:
//
//	Rosey-Correlation-Id, traceparent, tracestate     headers
//	correlation_id                                    the envelope
//	causation_id, parent_span                         the envelope's metadata
//
// The trace ID is the correlation ID (see TraceID), so that one ID finds an event's
// log lines, its spans and everything that it caused. Whoever publishes calls Fill and
// Inject, whoever handles an event calls ContextWithEvent.
package propagation
