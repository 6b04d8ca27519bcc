package telemetry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	t.Parallel()
	for _, protocol := range []string{"grpc", "http/protobuf", "http/json"} {
		for _, compression := range []string{"none", "gzip"} {
			t.Run(protocol+"/"+compression, func(t *testing.T) {
				t.Parallel()
				ctx := testContext(t)
				r := oteltest.Start(t)
				p := setup(t, telemetry.Config{Service: "rosey", Version: "1.2.3", Getenv: r.Env(protocol,
					"OTEL_EXPORTER_OTLP_COMPRESSION="+compression,
					"OTEL_EXPORTER_OTLP_HEADERS=authorization=Basic%20abc,x-tenant=room",
					"OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test%2C1",
				)})
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
				if h := r.Headers(); h.Get("Authorization") != "Basic abc" || h.Get("X-Tenant") != "room" {
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
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"
	for name, env := range map[string][]string{
		"nothing set":       nil,
		"endpoint is blank": {"OTEL_EXPORTER_OTLP_ENDPOINT=  "},
		"exporter none":     {endpoint, "OTEL_TRACES_EXPORTER=none"},
		"disabled":          {endpoint, "OTEL_SDK_DISABLED=True"},
		"disabled console":  {"OTEL_TRACES_EXPORTER=console", "OTEL_SDK_DISABLED=true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := setup(t, telemetry.Config{Getenv: oteltest.Getenv(env...)})
			_, span := propagation.StartSpan(propagation.WithCorrelation(testContext(t), uuid.NewString()), p.Tracer("test"), "span", "")
			if span.IsRecording() || span.SpanContext().IsValid() || len(p.Targets) > 0 {
				t.Errorf("a span was made for %v", p.Targets)
			}
		})
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
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
			t.Parallel()
			p := setup(t, telemetry.Config{Getenv: oteltest.Getenv(env...)})
			if got := strings.Join(p.Targets, ", "); got != want {
				t.Errorf("spans go to %s, want %s", got, want)
			}
		})
	}
}

func TestConsoleExporter(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	var out buffer
	p := setup(t, telemetry.Config{Console: &out, Getenv: oteltest.Getenv("OTEL_TRACES_EXPORTER=console")})
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

func TestSampler(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind, arg  string
		root       int  // of 1,000
		sampled    bool // whether a child of a sampled remote parent is
		notSampled bool // whether a child of a remote parent that is not sampled is
	}{
		{"", "", 1000, true, false},
		{"always_on", "", 1000, true, true},
		{"ALWAYS_OFF", "", 0, false, false},
		{"parentbased_always_on", "0.1", 1000, true, false},
		{"parentbased_always_off", "", 0, true, false},
		{"traceidratio", "0", 0, false, false},
		{"traceidratio", "", 1000, true, true},
		{"parentbased_traceidratio", "0", 0, true, false},
		{"parentbased_traceidratio", "0.5", 500, true, false},
	} {
		t.Run(tt.kind+" "+tt.arg, func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			p := setup(t, telemetry.Config{Getenv: oteltest.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT="+oteltest.Refused(t),
				"OTEL_TRACES_SAMPLER="+tt.kind, "OTEL_TRACES_SAMPLER_ARG="+tt.arg)})
			tracer := p.Tracer("test")
			isSampled := func(ctx context.Context) bool {
				_, span := propagation.StartSpan(ctx, tracer, "span", "")
				return span.SpanContext().IsSampled()
			}
			n := 0
			for range 1000 {
				if isSampled(propagation.WithCorrelation(ctx, uuid.NewString())) {
					n++
				}
			}
			// Eight standard deviations where there is any chance in it.
			if n < tt.root-130 || n > tt.root+130 || (tt.root%1000 == 0 && n != tt.root) {
				t.Errorf("%d of 1000 roots are sampled, want %d", n, tt.root)
			}
			for flags, want := range map[trace.TraceFlags]bool{trace.FlagsSampled: tt.sampled, 0: tt.notSampled} {
				id := uuid.New()
				parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(id), SpanID: trace.SpanID{1}, TraceFlags: flags, Remote: true})
				ctx := trace.ContextWithRemoteSpanContext(propagation.WithCorrelation(ctx, id.String()), parent)
				if got := isSampled(ctx); got != want {
					t.Errorf("a child of a remote parent with flags %s is sampled: %t, want %t", flags, got, want)
				}
			}
		})
	}
}

func TestInvalidVariablesAreNamed(t *testing.T) {
	t.Parallel()
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
			t.Parallel()
			env := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318", "OTEL_TRACES_SAMPLER=traceidratio", tt.variable + "=" + tt.value}
			p, err := telemetry.Setup(testContext(t), telemetry.Config{Getenv: oteltest.Getenv(env...)})
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
	t.Parallel()
	_, err := telemetry.Setup(testContext(t), telemetry.Config{Getenv: oteltest.Getenv(
		"OTEL_TRACES_SAMPLER=x", "OTEL_BSP_SCHEDULE_DELAY=x", "OTEL_EXPORTER_OTLP_ENDPOINT=x")})
	for _, name := range []string{"OTEL_TRACES_SAMPLER", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is missing in: %v", name, err)
		}
	}
}

func TestServiceName(t *testing.T) {
	t.Parallel()
	for want, env := range map[string][]string{
		"configured":      nil,
		"from-attributes": {"OTEL_RESOURCE_ATTRIBUTES=service.name=from-attributes"},
		"from-name":       {"OTEL_RESOURCE_ATTRIBUTES=service.name=from-attributes", "OTEL_SERVICE_NAME=from-name"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			r := oteltest.Start(t)
			p := setup(t, telemetry.Config{Service: "configured", Getenv: r.Env("grpc", env...)})
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

// Spans of the past go straight to the exporter, whose errors are seen.
func TestNewExporter(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	r := oteltest.Start(t)
	exp, err := telemetry.NewExporter(ctx, r.HTTP, oteltest.Getenv())
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

	dead, err := telemetry.NewExporter(ctx, oteltest.Refused(t), oteltest.Getenv("OTEL_EXPORTER_OTLP_TIMEOUT=50"))
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Shutdown(ctx)
	if err := dead.ExportSpans(ctx, stubs(1)); err == nil {
		t.Error("a collector that is not there took a span")
	}
	if _, err := telemetry.NewExporter(ctx, "localhost:4317", oteltest.Getenv()); err == nil || !strings.Contains(err.Error(), "http://localhost:4317") {
		t.Errorf("an endpoint that is no URL gave: %v", err)
	}
}
