package telemetry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/telemetry"
)

func TestInvalidVariablesAreNamed(t *testing.T) {
	dir := t.TempDir()
	notPEM := filepath.Join(dir, "not.pem")
	if err := os.WriteFile(notPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "hunter2"
	for _, tt := range []struct{ variable, value, hint string }{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317", "http://localhost:4317"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://localhost", "not the URL"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://%zz", "not the URL"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:" + secret + "@collector:4318", "OTEL_EXPORTER_OTLP_HEADERS"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "/v1/traces", "not the URL"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "http", "grpc, http/protobuf, http/json"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "thrift", "grpc, http/protobuf, http/json"},
		{"OTEL_EXPORTER_OTLP_HEADERS", secret, "has no '='"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a b=" + secret, "key"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "auth=%zz" + secret, "percent"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "whole number"},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", "at least 1"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip, none"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", filepath.Join(dir, "absent.pem"), "absent.pem"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", notPEM, "no PEM certificate"},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", notPEM, "CLIENT_KEY"},
		{"OTEL_EXPORTER_OTLP_CLIENT_KEY", notPEM, "CLIENT_CERTIFICATE"},
		{"OTEL_TRACES_EXPORTER", "otlp,zipkin", "otlp, console, none"},
		{"OTEL_TRACES_SAMPLER", "sometimes", "always_off, always_on, parentbased_always_off"},
		{"OTEL_TRACES_SAMPLER_ARG", "50%", "from 0 to 1"},
		{"OTEL_TRACES_SAMPLER_ARG", "1.5", "from 0 to 1"},
		{"OTEL_TRACES_SAMPLER_ARG", "NaN", "from 0 to 1"},
		{"OTEL_RESOURCE_ATTRIBUTES", "team", "has no '='"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "-1", "at least 1"},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "many", "whole number"},
		{"OTEL_BSP_SCHEDULE_DELAY", "5s", "whole number"},
		{"OTEL_BSP_EXPORT_TIMEOUT", "x", "whole number"},
		{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-3", "at least 0"},
		{"OTEL_SDK_DISABLED", "yes", "true, false"},
	} {
		t.Run(tt.variable+"="+tt.value, func(t *testing.T) {
			setenv(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318", "OTEL_TRACES_SAMPLER=traceidratio", tt.variable+"="+tt.value)
			p, err := telemetry.Setup(testContext(t), telemetry.Config{})
			if err == nil {
				_ = p.Shutdown(testContext(t))
				t.Fatal("it was accepted")
			}
			if msg := err.Error(); !strings.Contains(msg, tt.variable) || !strings.Contains(msg, tt.hint) || strings.Contains(msg, secret) {
				t.Errorf("the error is no help, or tells a secret: %v", err)
			}
		})
	}
}

func TestAllInvalidVariablesAreNamedAtOnce(t *testing.T) {
	setenv(t, "OTEL_TRACES_SAMPLER=x", "OTEL_BSP_SCHEDULE_DELAY=x", "OTEL_EXPORTER_OTLP_ENDPOINT=x")
	_, err := telemetry.Setup(testContext(t), telemetry.Config{})
	for _, name := range []string{"OTEL_TRACES_SAMPLER", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is missing in: %v", name, err)
		}
	}
}
