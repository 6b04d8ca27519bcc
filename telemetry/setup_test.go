package telemetry_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/oteltest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// One conversation goes from a chat line to an answer, as spans of a real
// exporter to a real receiver, by each protocol there is.
func TestSpansReachTheCollector(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf", "http/json"} {
		for _, compression := range []string{"none", "gzip"} {
			t.Run(protocol+"/"+compression, func(t *testing.T) {
				ctx := testContext(t)
				r := oteltest.Start(t)
				setenv(t, r.Environ(protocol)...)
				setenv(t, "OTEL_EXPORTER_OTLP_COMPRESSION="+compression,
					"OTEL_EXPORTER_OTLP_HEADERS=authorization=Basic%20abc,x-tenant=channel",
					"OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test%2C1")
				p := setup(t, telemetry.Config{Service: "rosey", Version: "1.2.3"})
				id := uuid.New()
				conversation(propagation.WithCorrelation(ctx, id.String()), p.Tracer("test"))

				spans, err := r.Wait(ctx, func(s []oteltest.Span) bool { return len(s) == 3 })
				if err != nil {
					t.Fatal(err)
				}
				tree, err := r.Tree(fmt.Sprintf("%x", id[:]))
				if err != nil {
					t.Fatal(err)
				}
				want := "receive cytube.chat [server rosey]\n" +
					"  process plugin.{name}.command [consumer rosey] ERROR\n" +
					"    send cytube.send.chat [producer rosey]\n"
				if diff := cmp.Diff(want, tree.String()); diff != "" {
					t.Errorf("the tree differs (-want +got):\n%s", diff)
				}
				process := tree.Find("process plugin.{name}.command")
				if diff := cmp.Diff(map[string]any{"messaging.system": "nats", "attempt": int64(2)}, process.Attributes); diff != "" {
					t.Errorf("attributes differ (-want +got):\n%s", diff)
				}
				if process.Message != "no such dice" || process.End.Before(process.Start) {
					t.Errorf("the span lost its error or its times: %+v", process.Span)
				}
				for key, want := range map[string]any{"service.name": "rosey", "service.version": "1.2.3", "deployment.environment.name": "test,1"} {
					if got := spans[0].Resource[key]; got != want {
						t.Errorf("resource has %s=%v, want %v", key, got, want)
					}
				}
				if h := r.Headers(); h.Get("Authorization") != "Basic abc" || h.Get("X-Tenant") != "channel" {
					t.Errorf("the headers did not arrive: %v", h)
				}
				if err := p.Shutdown(ctx); err != nil {
					t.Errorf("shut down: %v", err)
				}
			})
		}
	}
}

func conversation(ctx context.Context, tracer trace.Tracer) {
	ctx, receive := propagation.StartSpan(ctx, tracer, "receive cytube.chat", "", trace.WithSpanKind(trace.SpanKindServer))
	defer receive.End()
	ctx, process := propagation.StartSpan(ctx, tracer, "process plugin.{name}.command", "seed", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("messaging.system", "nats"), attribute.Int("attempt", 2)))
	defer process.End()
	process.SetStatus(codes.Error, "no such dice")
	_, send := propagation.StartSpan(ctx, tracer, "send cytube.send.chat", "", trace.WithSpanKind(trace.SpanKindProducer))
	send.End()
}

func TestTracingIsOffUnlessAskedFor(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"
	for name, env := range map[string][]string{
		"nothing set":       nil,
		"endpoint is blank": {"OTEL_EXPORTER_OTLP_ENDPOINT=  "},
		"exporter none":     {endpoint, "OTEL_TRACES_EXPORTER=none"},
		"disabled":          {endpoint, "OTEL_SDK_DISABLED=True"},
		"disabled console":  {"OTEL_TRACES_EXPORTER=console", "OTEL_SDK_DISABLED=true"},
	} {
		t.Run(name, func(t *testing.T) {
			setenv(t, env...)
			p := setup(t, telemetry.Config{})
			_, span := propagation.StartSpan(propagation.WithCorrelation(testContext(t), uuid.NewString()), p.Tracer("test"), "span", "")
			if span.IsRecording() || span.SpanContext().IsValid() || len(p.Targets) > 0 {
				t.Errorf("a span was made for %v", p.Targets)
			}
		})
	}
}

func TestTargets(t *testing.T) {
	for want, env := range map[string][]string{
		"http://localhost:4318/v1/traces (http/protobuf)":  {"OTEL_TRACES_EXPORTER=otlp"},
		"http://localhost:4317 (grpc)":                     {"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
		"http://jaeger:4317 (grpc)":                        {"OTEL_EXPORTER_OTLP_ENDPOINT=http://jaeger:4317"},
		"http://jaeger:4317/v1/traces (http/protobuf)":     {"OTEL_EXPORTER_OTLP_ENDPOINT=http://jaeger:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"},
		"http://jaeger:4318/base/v1/traces (http/json)":    {"OTEL_EXPORTER_OTLP_ENDPOINT=http://jaeger:4318/base/", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"},
		"https://traces.example/in (http/protobuf)":        {"OTEL_EXPORTER_OTLP_ENDPOINT=http://other:1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://traces.example/in"},
		"http://a:4318/v1/traces (http/protobuf), console": {"OTEL_TRACES_EXPORTER=otlp, console", "OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318"},
	} {
		t.Run(want, func(t *testing.T) {
			setenv(t, env...)
			p := setup(t, telemetry.Config{})
			if got := strings.Join(p.Targets, ", "); got != want {
				t.Errorf("spans go to %s, want %s", got, want)
			}
		})
	}
}

func TestConsoleExporter(t *testing.T) {
	ctx := testContext(t)
	var out buffer
	setenv(t, "OTEL_TRACES_EXPORTER=console")
	p := setup(t, telemetry.Config{Console: &out})
	id := uuid.New()
	_, span := propagation.StartSpan(propagation.WithCorrelation(ctx, id.String()), p.Tracer("test"), "a span", "")
	span.End()
	if err := p.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "a span") || !strings.Contains(got, fmt.Sprintf("%x", id[:])) {
		t.Errorf("the console got %q", got)
	}
}

func TestServiceName(t *testing.T) {
	for want, env := range map[string][]string{
		"configured":      nil,
		"from-attributes": {"OTEL_RESOURCE_ATTRIBUTES=service.name=from-attributes"},
		"from-name":       {"OTEL_RESOURCE_ATTRIBUTES=service.name=from-attributes", "OTEL_SERVICE_NAME=from-name"},
	} {
		t.Run(want, func(t *testing.T) {
			ctx := testContext(t)
			r := oteltest.Start(t)
			setenv(t, append(r.Environ("grpc"), env...)...)
			p := setup(t, telemetry.Config{Service: "configured"})
			_, span := p.Tracer("test").Start(ctx, "span")
			span.End()
			spans, err := r.Wait(ctx, func(s []oteltest.Span) bool { return len(s) == 1 })
			if err != nil {
				t.Fatal(err)
			}
			if spans[0].Service != want {
				t.Errorf("service is %q, want %q", spans[0].Service, want)
			}
			wantSample(t, scrape(t, p.Metrics), 1, "target_info", `service_name="`+want+`"`)
		})
	}
}
