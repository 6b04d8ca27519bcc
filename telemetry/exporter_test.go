package telemetry_test

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/oteltest"
)

// Spans of the past go straight to the exporter, whose errors are seen.
func TestNewExporter(t *testing.T) {
	ctx := testContext(t)
	r := oteltest.Start(t)
	exp, err := telemetry.NewExporter(ctx, r.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer exp.Shutdown(ctx)
	if err := exp.ExportSpans(ctx, stubs(2)); err != nil {
		t.Fatal(err)
	}
	if n := len(r.Spans()); n != 2 {
		t.Errorf("%d spans arrived, want 2", n)
	}

	setenv(t, "OTEL_EXPORTER_OTLP_TIMEOUT=50")
	dead, err := telemetry.NewExporter(ctx, oteltest.Refused(t))
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Shutdown(ctx)
	if err := dead.ExportSpans(ctx, stubs(1)); err == nil {
		t.Error("a collector that is not there took a span")
	}
	if _, err := telemetry.NewExporter(ctx, "localhost:4317"); err == nil || !strings.Contains(err.Error(), "http://localhost:4317") {
		t.Errorf("an endpoint that is no URL gave: %v", err)
	}
}
