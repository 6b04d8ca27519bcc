package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/time/rate"

	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Config are the settings of Setup that OpenTelemetry's variables do not hold.
type Config struct {
	Service string              // service.name, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES says otherwise
	Version string              // service.version
	Logger  *slog.Logger        // is told of lost spans; nil discards
	Getenv  func(string) string // reads the OTEL_* variables; nil is os.Getenv
	Console io.Writer           // where OTEL_TRACES_EXPORTER=console writes; nil is stderr, as stdout belongs to the user
}

// Providers make tracers and hold the metrics of a process.
type Providers struct {
	Metrics *Metrics
	Targets []string // where spans go, for people; empty when tracing is off

	tracers  trace.TracerProvider
	shutdown func(context.Context) error // nil when tracing is off
	abort    context.CancelFunc          // gives up on exports that run
	queues   []*queue
	log      *slog.Logger
	throttle rate.Sometimes
}

// shutdownLimit is how long Shutdown waits for a collector, and shutdownGrace
// how long it then waits for the exports that it gave up on to return.
const (
	shutdownLimit = 3 * time.Second
	shutdownGrace = 500 * time.Millisecond
)

// Setup prepares tracing and metrics as OpenTelemetry's variables say:
//
//	OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT   where spans go; unset, tracing is off and costs nothing
//	OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL                              grpc, http/protobuf (the default, but for port 4317) or http/json
//	OTEL_EXPORTER_OTLP_[TRACES_]HEADERS, TIMEOUT, COMPRESSION, CERTIFICATE, CLIENT_CERTIFICATE, CLIENT_KEY
//	OTEL_TRACES_EXPORTER                                              otlp (then the endpoint has a default), console, none or a list
//	OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG                      ratios by RatioSampler
//	OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
//	OTEL_BSP_MAX_QUEUE_SIZE, OTEL_BSP_MAX_EXPORT_BATCH_SIZE, OTEL_BSP_SCHEDULE_DELAY, OTEL_BSP_EXPORT_TIMEOUT
//	OTEL_SDK_DISABLED                                                 true turns tracing off
//
// A variable whose value makes no sense is an error that names it. A collector
// that is away, or slow, costs spans and nothing else: no span's end ever
// waits, what does not fit into the queue is dropped, and every dropped span is
// counted in rosey.span.dropped and logged about at most once a minute.
func Setup(ctx context.Context, c Config) (*Providers, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Console == nil {
		c.Console = os.Stderr
	}
	p := &Providers{tracers: noop.NewTracerProvider(), log: c.Logger,
		throttle: rate.Sometimes{First: 1, Interval: logEvery}}
	env := newEnvironment(c.Getenv)
	plan := env.plan()
	res := env.resource(c)
	if err := env.err(); err != nil {
		return nil, fmt.Errorf("set up telemetry: %w", err)
	}
	var err error
	if p.Metrics, err = NewMetrics(res, p.Handle); err != nil {
		return nil, fmt.Errorf("set up metrics: %w", err)
	}
	if err := p.trace(ctx, plan, res, c.Console); err != nil {
		return nil, errors.Join(fmt.Errorf("set up tracing: %w", err), p.Metrics.Shutdown(ctx))
	}
	return p, nil
}

// NewResource describes a process as Setup does, for spans that are not sent by
// one that runs.
func NewResource(c Config) (*resource.Resource, error) {
	env := newEnvironment(c.Getenv)
	res := env.resource(c)
	return res, env.err()
}

// plan is what tracing consists of.
type plan struct {
	otlp    *collector // nil for none
	console bool
	sampler sdktrace.Sampler
	limits  sdktrace.SpanLimits
	queue   queueConfig
}

func (e *environment) plan() plan {
	p := plan{sampler: e.sampler(), limits: e.limits(), queue: queueConfig{
		limit:   e.integer(sdktrace.DefaultMaxQueueSize, 1, "OTEL_BSP_MAX_QUEUE_SIZE"),
		batch:   e.integer(sdktrace.DefaultMaxExportBatchSize, 1, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
		delay:   e.milliseconds(sdktrace.DefaultScheduleDelay*time.Millisecond, "OTEL_BSP_SCHEDULE_DELAY"),
		timeout: e.milliseconds(sdktrace.DefaultExportTimeout*time.Millisecond, "OTEL_BSP_EXPORT_TIMEOUT"),
	}}
	const exporterVar = "OTEL_TRACES_EXPORTER"
	name, endpoint := e.first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	complete := name == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	_, wanted := e.first(exporterVar)
	disabled := e.boolean("OTEL_SDK_DISABLED")
	otlp := wanted == "" && name != ""
	for kind := range strings.SplitSeq(wanted, ",") {
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "", "none":
		case "console":
			p.console = true
		case "otlp":
			otlp = true
		default:
			e.invalid(exporterVar, "%q is not one of otlp, console, none", kind)
		}
	}
	if otlp {
		if name == "" {
			name, endpoint = exporterVar, "http://localhost:4318"
			if _, v := e.first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); strings.EqualFold(v, protocolGRPC) {
				endpoint = "http://localhost:4317"
			}
		}
		c := e.collector(name, endpoint, complete)
		p.otlp = &c
	}
	if disabled {
		p.otlp, p.console = nil, false
	}
	return p
}

func (e *environment) limits() sdktrace.SpanLimits {
	l := sdktrace.NewSpanLimits()
	for name, field := range map[string]*int{
		"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": &l.AttributeValueLengthLimit,
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT":        &l.AttributeCountLimit,
		"OTEL_SPAN_EVENT_COUNT_LIMIT":            &l.EventCountLimit,
		"OTEL_SPAN_LINK_COUNT_LIMIT":             &l.LinkCountLimit,
	} {
		*field = e.integer(*field, 0, name)
	}
	return l
}

func (e *environment) resource(c Config) *resource.Resource {
	attrs := map[string]string{"service.name": c.Service, "service.version": c.Version}
	maps.Copy(attrs, e.pairs("OTEL_RESOURCE_ATTRIBUTES"))
	if _, v := e.first("OTEL_SERVICE_NAME"); v != "" {
		attrs["service.name"] = v
	}
	if host, err := os.Hostname(); err == nil && attrs["host.name"] == "" {
		attrs["host.name"] = host
	}
	kv := []attribute.KeyValue{
		attribute.String("telemetry.sdk.language", "go"),
		attribute.String("telemetry.sdk.name", "opentelemetry"),
	}
	for _, k := range sortedKeys(attrs) {
		if attrs[k] != "" {
			kv = append(kv, attribute.String(k, attrs[k]))
		}
	}
	return resource.NewSchemaless(kv...)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (p *Providers) trace(ctx context.Context, plan plan, res *resource.Resource, console io.Writer) error {
	var exporters []sdktrace.SpanExporter
	if plan.otlp != nil {
		exp, err := plan.otlp.exporter(ctx)
		if err != nil {
			return err
		}
		exporters = append(exporters, exp)
		p.Targets = append(p.Targets, plan.otlp.String())
	}
	if plan.console {
		exp, err := stdouttrace.New(stdouttrace.WithWriter(console))
		if err != nil {
			return err
		}
		exporters = append(exporters, exp)
		p.Targets = append(p.Targets, "console")
	}
	if len(exporters) == 0 {
		return nil
	}
	stop, abort := context.WithCancel(context.Background())
	opts := []sdktrace.TracerProviderOption{
		sdktrace.WithIDGenerator(propagation.IDGenerator{}),
		sdktrace.WithSampler(plan.sampler),
		sdktrace.WithResource(res),
		sdktrace.WithRawSpanLimits(plan.limits),
	}
	plan.queue.dropped = p.Metrics.SpansDropped
	plan.queue.log = p.log
	for _, exp := range exporters {
		q := newQueue(stop, exp, plan.queue)
		p.queues = append(p.queues, q)
		opts = append(opts, sdktrace.WithSpanProcessor(q))
	}
	tp := sdktrace.NewTracerProvider(opts...)
	p.tracers, p.shutdown, p.abort = tp, tp.Shutdown, abort
	return nil
}

// Tracer makes spans in the name of a package. It records nothing while tracing
// is off.
func (p *Providers) Tracer(name string) trace.Tracer { return p.tracers.Tracer(name) }

// Handle makes Providers an otel.ErrorHandler: a process that hands it to
// otel.SetErrorHandler sees what OpenTelemetry complains of in its own log, at
// most once a minute, and not on stderr.
func (p *Providers) Handle(err error) {
	p.throttle.Do(func() { p.log.Warn("telemetry is incomplete (told at most once a minute)", "error", err) })
}

// Shutdown sends the spans that wait, for 3 s or until ctx ends, and then gives
// up on them. How many were lost by that is logged; it is no error, as a process
// that did its work has not failed for want of a collector.
func (p *Providers) Shutdown(ctx context.Context) error {
	err := p.flush(ctx)
	return errors.Join(err, p.Metrics.Shutdown(context.WithoutCancel(ctx)))
}

func (p *Providers) flush(ctx context.Context) error {
	if p.shutdown == nil {
		return nil
	}
	defer p.abort()
	ctx, cancel := context.WithTimeout(ctx, shutdownLimit)
	defer cancel()
	defer context.AfterFunc(ctx, p.abort)()
	// The exports end when ctx does; what waits for them must outlast it, or it
	// would leave them running.
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit+shutdownGrace)
	defer cancelLast()
	before := p.lost()
	err := p.shutdown(last)
	if n := p.lost() - before; n > 0 {
		p.log.WarnContext(ctx, "spans were lost at the end: is the collector up?", "lost", n, "target", strings.Join(p.Targets, ", "))
	}
	if err != nil {
		return fmt.Errorf("end tracing: %w", err)
	}
	return nil
}

func (p *Providers) lost() (n int64) {
	for _, q := range p.queues {
		n += q.lost.Load()
	}
	return n
}
