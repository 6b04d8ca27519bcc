// Package oteltest is an OTLP receiver for tests: it takes spans over gRPC and
// HTTP as a collector does, and shows them as trees, so that what is checked is
// what a real exporter sent.
package oteltest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // collectors accept compressed requests
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Receiver collects the spans that are sent to it.
type Receiver struct {
	coltrace.UnimplementedTraceServiceServer

	GRPC string // OTEL_EXPORTER_OTLP_ENDPOINT for protocol grpc
	HTTP string // OTEL_EXPORTER_OTLP_ENDPOINT for http/protobuf and http/json

	mu      sync.Mutex
	spans   []Span
	headers http.Header   // of the last request; gRPC's metadata too
	arrived chan struct{} // closed and replaced when spans arrive
}

// Start starts a receiver on free loopback ports; it stops with the test.
func Start(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{arrived: make(chan struct{})}
	grpcListener, httpListener := listen(t), listen(t)
	r.GRPC, r.HTTP = "http://"+grpcListener.Addr().String(), "http://"+httpListener.Addr().String()

	gs := grpc.NewServer()
	coltrace.RegisterTraceServiceServer(gs, r)
	hs := &http.Server{Handler: http.HandlerFunc(r.serveHTTP)}
	var running sync.WaitGroup
	running.Go(func() { _ = gs.Serve(grpcListener) })
	running.Go(func() { _ = hs.Serve(httpListener) })
	t.Cleanup(func() {
		gs.Stop()
		_ = hs.Close()
		running.Wait()
	})
	return r
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Exporter returns an exporter to the receiver by a protocol (grpc or http/protobuf),
// for telemetry.Config. It is shut down with the test.
func (r *Receiver) Exporter(t testing.TB, protocol string) sdktrace.SpanExporter {
	t.Helper()
	return ExporterTo(t, r.endpoint(protocol), protocol)
}

func (r *Receiver) endpoint(protocol string) string {
	if protocol == "grpc" {
		return r.GRPC
	}
	return r.HTTP
}

// ExporterTo returns an exporter to any endpoint, such as Refused's.
func ExporterTo(t testing.TB, endpoint, protocol string) (e sdktrace.SpanExporter) {
	t.Helper()
	var err error
	if protocol == "grpc" {
		e, err = otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpointURL(endpoint))
	} else {
		e, err = otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(endpoint+"/v1/traces"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = e.Shutdown(ctx)
	})
	return e
}

// Environ returns variables as NAME=value that have a process send spans to the receiver
// at once by a protocol (grpc, http/protobuf or http/json).
func (r *Receiver) Environ(protocol string) []string {
	return []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.endpoint(protocol),
		"OTEL_EXPORTER_OTLP_PROTOCOL=" + protocol,
		"OTEL_BSP_SCHEDULE_DELAY=10",
	}
}

// Export takes spans over gRPC.
func (r *Receiver) Export(ctx context.Context, req *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	headers := http.Header{}
	md, _ := metadata.FromIncomingContext(ctx)
	for k, v := range md {
		headers[http.CanonicalHeaderKey(k)] = v
	}
	r.add(req, headers)
	return &coltrace.ExportTraceServiceResponse{}, nil
}

func (r *Receiver) serveHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost || req.URL.Path != "/v1/traces" {
		http.Error(w, "POST /v1/traces is all there is", http.StatusNotFound)
		return
	}
	body, err := read(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.add(body, req.Header)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func read(req *http.Request) (*coltrace.ExportTraceServiceRequest, error) {
	in := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = z
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	out := &coltrace.ExportTraceServiceRequest{}
	switch t := req.Header.Get("Content-Type"); t {
	case "application/x-protobuf":
		return out, proto.Unmarshal(body, out)
	case "application/json":
		if body, err = otlpJSON(body); err != nil {
			return nil, err
		}
		return out, protojson.Unmarshal(body, out)
	default:
		return nil, fmt.Errorf("content type %q is not one of OTLP's", t)
	}
}

var jsonIDs = regexp.MustCompile(`"(traceId|spanId|parentSpanId)":"[^"]*"`)

// otlpJSON turns OTLP's JSON, where IDs are hexadecimal, into protobuf's, where
// all bytes are base64.
func otlpJSON(body []byte) (_ []byte, err error) {
	body = jsonIDs.ReplaceAllFunc(body, func(field []byte) []byte {
		key, text, _ := bytes.Cut(field, []byte(":"))
		id, idErr := hex.DecodeString(string(bytes.Trim(text, `"`)))
		err = errors.Join(err, idErr)
		return fmt.Appendf(nil, "%s:%q", key, base64.StdEncoding.EncodeToString(id))
	})
	return body, err
}

func (r *Receiver) add(req *coltrace.ExportTraceServiceRequest, headers http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, spansOf(req)...)
	r.headers = headers.Clone()
	close(r.arrived)
	r.arrived = make(chan struct{})
}

// Spans returns the spans that arrived so far, in the order of their arrival.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

// Headers returns those of the last request that brought spans.
func (r *Receiver) Headers() http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.headers
}

// Wait returns the spans that arrived once done says of them that they are
// enough, and an error that lists them when ctx ends before.
func (r *Receiver) Wait(ctx context.Context, done func([]Span) bool) ([]Span, error) {
	for {
		r.mu.Lock()
		spans, arrived := slices.Clone(r.spans), r.arrived
		r.mu.Unlock()
		if done(spans) {
			return spans, nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return spans, fmt.Errorf("wait for spans: %w; %d arrived:\n%s", ctx.Err(), len(spans), list(spans))
		}
	}
}

// BlackHole returns the endpoint of a collector that accepts connections and never
// answers; it stops with the test.
func BlackHole(t testing.TB) string {
	t.Helper()
	l := listen(t)
	var held []net.Conn
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			held = append(held, c)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
		for _, c := range held {
			_ = c.Close()
		}
	})
	return "http://" + l.Addr().String()
}

// Refused returns the endpoint of a collector that is not there: the system refuses
// connections to it.
func Refused(t testing.TB) string {
	t.Helper()
	l := listen(t)
	defer l.Close()
	return "http://" + l.Addr().String()
}
