package telemetry

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/credentials"
)

// NewExporter makes an OTLP exporter that sends to one collector, for spans of
// the past: what it is given it sends at once, and its errors are the caller's.
// The endpoint is a URL as OTEL_EXPORTER_OTLP_ENDPOINT has it; protocol,
// headers, certificates, compression and timeout come from OpenTelemetry's
// variables, which getenv reads (nil is os.Getenv). The error names the
// variable that is wrong.
func NewExporter(ctx context.Context, endpoint string, getenv func(string) string) (sdktrace.SpanExporter, error) {
	env := newEnvironment(getenv)
	c := env.collector("the collector's endpoint", endpoint, false)
	if err := env.err(); err != nil {
		return nil, err
	}
	return c.exporter(ctx)
}

func newEnvironment(getenv func(string) string) *environment {
	if getenv == nil {
		getenv = os.Getenv
	}
	return &environment{get: getenv}
}

// The values of OTEL_EXPORTER_OTLP_PROTOCOL.
const (
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
	protocolJSON = "http/json"
)

// collector is where spans go and how.
type collector struct {
	url      *url.URL // for HTTP with the path to post to
	protocol string
	headers  map[string]string
	gzip     bool
	timeout  time.Duration // of one batch, retries included
	tls      *tls.Config
}

// collector reads what the OTLP exporter needs. The endpoint comes with the
// name of the variable that holds it; complete says that its path is the whole
// path and not a base to which the signal's is added.
func (e *environment) collector(name, endpoint string, complete bool) collector {
	c := collector{
		headers: e.pairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
		gzip:    e.choice("none", []string{"gzip", "none"}, "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION") == "gzip",
		timeout: e.milliseconds(10*time.Second, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
		tls:     e.tls(),
	}
	u, err := url.Parse(endpoint)
	switch {
	case strings.Contains(endpoint, "@"):
		// Nor may the error show what may be a password.
		e.invalid(name, "a collector's URL holds no user and password: put them into OTEL_EXPORTER_OTLP_HEADERS, as authorization=Basic%%20…")
		u = &url.URL{}
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		e.invalid(name, "%q is not the URL of a collector: write for example http://localhost:4317 for gRPC or http://localhost:4318 for HTTP", endpoint)
		u = &url.URL{}
	}
	protocol := protocolHTTP
	if u.Port() == "4317" {
		// The port that is registered for gRPC speaks nothing else.
		protocol = protocolGRPC
	}
	c.protocol = e.choice(protocol, []string{protocolGRPC, protocolHTTP, protocolJSON},
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	if c.protocol != protocolGRPC && !complete {
		u.Path = path.Join("/", u.Path, "v1/traces")
	}
	c.url = u
	return c
}

func (c collector) String() string { return c.url.String() + " (" + c.protocol + ")" }

func (c collector) exporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	if c.protocol == protocolGRPC {
		return c.grpcExporter(ctx)
	}
	return c.httpExporter(ctx)
}

func (c collector) grpcExporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	opts := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(c.url.Host),
		otlptracegrpc.WithHeaders(c.headers),
		otlptracegrpc.WithTimeout(c.timeout),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost, MaxElapsedTime: c.timeout,
		}),
	}
	if c.gzip {
		opts = append(opts, otlptracegrpc.WithCompressor("gzip"))
	}
	if c.url.Scheme == "https" {
		opts = append(opts, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(c.tls)))
	} else {
		opts = append(opts, otlptracegrpc.WithInsecure())
	}
	exp, err := otlptracegrpc.New(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("export spans to %s: %w", c, err)
	}
	return exp, nil
}

func (c collector) httpExporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	// The exporter's own transport is shared by the whole process and never
	// closed; this one ends with the exporter.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = c.tls
	opts := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(c.url.String()),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: transport, Timeout: c.timeout}),
		otlptracehttp.WithHeaders(c.headers),
		otlptracehttp.WithTimeout(c.timeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost, MaxElapsedTime: c.timeout,
		}),
		otlptracehttp.WithCompression(otlptracehttp.NoCompression),
		otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf),
	}
	if c.gzip {
		opts = append(opts, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	}
	if c.protocol == protocolJSON {
		opts = append(opts, otlptracehttp.WithEncoding(otlptracehttp.EncodingJSON))
	}
	exp, err := otlptracehttp.New(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("export spans to %s: %w", c, err)
	}
	return &httpExporter{Exporter: exp, transport: transport}, nil
}

// A collector that restarts should be missed for no longer than it was away.
const (
	retryFirst = 500 * time.Millisecond
	retryMost  = 5 * time.Second
)

type httpExporter struct {
	*otlptrace.Exporter
	transport *http.Transport
}

func (e *httpExporter) Shutdown(ctx context.Context) error {
	defer e.transport.CloseIdleConnections()
	return e.Exporter.Shutdown(ctx)
}
