package telemetry

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The values of OTEL_EXPORTER_OTLP_PROTOCOL.
const (
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
	protocolJSON = "http/json"
)

const (
	endpointVar       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpointVar = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	exporterVar       = "OTEL_TRACES_EXPORTER"
)

// exporter is a destination of spans with its name for people.
type exporter struct {
	sdktrace.SpanExporter
	target string
}

// NewExporter returns an OTLP exporter to one collector, for spans of the past: it
// sends at once and returns the collector's errors. The endpoint is a URL as in
// OTEL_EXPORTER_OTLP_ENDPOINT; the other OTEL_EXPORTER_OTLP_* variables apply. The error
// names a variable that is wrong.
func NewExporter(ctx context.Context, endpoint string) (sdktrace.SpanExporter, error) {
	if err := checkEndpoint(endpoint); err != nil {
		return nil, fmt.Errorf("the collector's endpoint: %w", err)
	}
	if err := checkEnvironment(); err != nil {
		return nil, err
	}
	return newOTLP(ctx, endpoint, true)
}

// newExporters returns the exporters that OTEL_TRACES_EXPORTER names, or OTLP where only
// an endpoint is set. OpenTelemetry's autoexport would not do: it knows neither a list of
// exporters nor a console other than stdout, which belongs to the user.
func newExporters(ctx context.Context, console io.Writer) (all []exporter, err error) {
	kinds := getenv(exporterVar)
	if kinds == "" && getenv(tracesEndpointVar, endpointVar) != "" {
		kinds = "otlp"
	}
	defer func() {
		if err != nil {
			for _, e := range all {
				_ = e.Shutdown(ctx)
			}
			all = nil
		}
	}()
	for kind := range strings.SplitSeq(kinds, ",") {
		e := exporter{target: strings.ToLower(strings.TrimSpace(kind))}
		switch e.target {
		case "", "none":
			continue
		case "otlp":
			e, err = newOTLPFromEnv(ctx)
		case "console":
			e.SpanExporter, err = stdouttrace.New(stdouttrace.WithWriter(console))
		default:
			err = fmt.Errorf("%s: %q is not one of otlp, console, none", exporterVar, kind)
		}
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

func newOTLPFromEnv(ctx context.Context) (exporter, error) {
	if endpoint := getenv(tracesEndpointVar); endpoint != "" {
		return newOTLP(ctx, endpoint, false)
	}
	endpoint := getenv(endpointVar)
	if endpoint == "" {
		// The SDK's own default endpoint is https.
		endpoint = "http://localhost:4318"
		if otlpProtocol("") == protocolGRPC {
			endpoint = "http://localhost:4317"
		}
	}
	return newOTLP(ctx, endpoint, true)
}

// otlpProtocol returns the protocol to speak with a port: the one that is set, or the
// only one that is spoken on the port registered for gRPC, or HTTP.
func otlpProtocol(port string) string {
	if p := getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); p != "" {
		return strings.ToLower(p)
	}
	if port == "4317" {
		return protocolGRPC
	}
	return protocolHTTP
}

// newOTLP returns an exporter to the endpoint, to whose path HTTP adds the signal's if
// it is a base. The SDK reads all other OTEL_EXPORTER_OTLP_* variables itself.
func newOTLP(ctx context.Context, endpoint string, base bool) (exporter, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return exporter{}, err
	}
	protocol := otlpProtocol(u.Port())
	var e sdktrace.SpanExporter
	retries := otlptracehttp.RetryConfig{Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost, MaxElapsedTime: otlpTimeout()}
	if protocol == protocolGRPC {
		e, err = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(u.String()), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig(retries)))
	} else {
		if base {
			u.Path = path.Join("/", u.Path, "v1/traces")
		}
		e, err = otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()), otlptracehttp.WithRetry(retries))
	}
	target := fmt.Sprintf("%s (%s)", u, protocol)
	if err != nil {
		return exporter{}, fmt.Errorf("export spans to %s: %w", target, err)
	}
	return exporter{e, target}, nil
}

// The SDK waits 5 s before its first retry and ends retries after a minute. A collector
// that restarts should be missed for no longer than it was away, and the timeout of a
// batch includes its retries.
const (
	retryFirst = 500 * time.Millisecond
	retryMost  = 5 * time.Second
)

func otlpTimeout() time.Duration {
	ms, err := strconv.Atoi(getenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"))
	if err != nil {
		return 10 * time.Second
	}
	return time.Duration(ms) * time.Millisecond
}
