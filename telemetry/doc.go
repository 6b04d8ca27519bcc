// Package telemetry sets up OpenTelemetry's tracing, Prometheus metrics and slog so that
// one correlation ID finds an event's log lines, its spans and its trace; see
// telemetry/propagation. It also serves health checks and reports to systemd.
package telemetry
