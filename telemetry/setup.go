package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/time/rate"

	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Config are the settings of Setup that OpenTelemetry's variables do not hold.
type Config struct {
	Service string       // service.name, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES has one
	Version string       // service.version
	Logger  *slog.Logger // logs dropped spans; nil discards
	Console io.Writer    // of OTEL_TRACES_EXPORTER=console; nil is stderr, as stdout belongs to the user

	Exporter   sdktrace.SpanExporter // replaces the exporters that the environment names; nil does not
	BatchDelay time.Duration         // replaces OTEL_BSP_SCHEDULE_DELAY; 0 does not
}

// Providers make tracers and hold the metrics of a process.
type Providers struct {
	Metrics *Metrics
	Targets []string // the destinations of spans, for people; empty when tracing is off

	tracers  trace.TracerProvider
	shutdown func(context.Context) error // nil when tracing is off
	abort    context.CancelFunc          // cancels the exports that are under way
	queues   []*queue
	log      *slog.Logger
	throttle rate.Sometimes
}

// Setup prepares tracing and metrics as OpenTelemetry's variables say. Tracing is off,
// and costs nothing, unless OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT, OTEL_TRACES_EXPORTER
// or Config.Exporter turns it on; docs/tracing.md lists the variables. A variable whose
// value makes no sense is an error that names it.
//
// A collector that is away, or slow, costs spans and nothing else: ending a span never
// blocks, what does not fit into the queue is dropped, and dropped spans are counted in
// rosey.span.dropped and logged at most once a minute.
func Setup(ctx context.Context, c Config) (*Providers, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Console == nil {
		c.Console = os.Stderr
	}
	p := &Providers{tracers: noop.NewTracerProvider(), log: c.Logger,
		throttle: rate.Sometimes{First: 1, Interval: logEvery}}
	res, err := NewResource(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("set up telemetry: %w", err)
	}
	if p.Metrics, err = NewMetrics(res, p.Handle); err != nil {
		return nil, fmt.Errorf("set up metrics: %w", err)
	}
	if err := p.trace(ctx, c, res); err != nil {
		return nil, errors.Join(fmt.Errorf("set up tracing: %w", err), p.Metrics.Shutdown(ctx))
	}
	return p, nil
}

// NewResource describes a process as Setup does, for spans that are sent by another
// one. The error names each of OpenTelemetry's variables that has a bad value.
func NewResource(ctx context.Context, c Config) (*resource.Resource, error) {
	if err := checkEnvironment(); err != nil {
		return nil, err
	}
	var attrs []attribute.KeyValue
	for key, v := range map[string]string{"service.name": c.Service, "service.version": c.Version} {
		if v != "" {
			attrs = append(attrs, attribute.String(key, v))
		}
	}
	res, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithAttributes(attrs...), resource.WithFromEnv())
	if errors.Is(err, resource.ErrPartialResource) { // a machine without a name
		err = nil
	}
	return res, err
}

func (p *Providers) trace(ctx context.Context, c Config, res *resource.Resource) (err error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return nil
	}
	exporters := []exporter{{c.Exporter, "exporter"}}
	if c.Exporter == nil {
		if exporters, err = newExporters(ctx, c.Console); err != nil {
			return err
		}
	}
	if len(exporters) == 0 {
		return nil
	}
	stop, abort := context.WithCancel(context.Background())
	opts := []sdktrace.TracerProviderOption{
		sdktrace.WithIDGenerator(propagation.IDGenerator{}),
		sdktrace.WithSampler(newSampler()),
		sdktrace.WithResource(res),
	}
	for _, e := range exporters {
		q := newQueue(stop, e, c.BatchDelay, p.Metrics.SpansDropped, p.log)
		p.queues = append(p.queues, q)
		p.Targets = append(p.Targets, e.target)
		opts = append(opts, sdktrace.WithSpanProcessor(q))
	}
	tp := sdktrace.NewTracerProvider(opts...)
	p.tracers, p.shutdown, p.abort = tp, tp.Shutdown, abort
	return nil
}

// Tracer returns a tracer with the name of a package. It records nothing while tracing
// is off.
func (p *Providers) Tracer(name string) trace.Tracer { return p.tracers.Tracer(name) }

// Handle makes Providers an otel.ErrorHandler: a process that passes it to
// otel.SetErrorHandler finds the SDK's errors in its own log, at most once a minute, and
// not on stderr.
func (p *Providers) Handle(err error) {
	p.throttle.Do(func() { p.log.Warn("telemetry incomplete (logged at most once a minute)", "error", err) })
}

// shutdownLimit is how long Shutdown waits for a collector, and shutdownGrace how long
// it then waits for the exports that it canceled to return.
const (
	shutdownLimit = 3 * time.Second
	shutdownGrace = 500 * time.Millisecond
)

// Shutdown exports the queued spans, for 3 s or until ctx ends, and drops the rest. It
// logs how many it dropped; that is no error, as a process that did its work has not
// failed for want of a collector.
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
	// Must outlast ctx, which ends the exports, or they would be left running.
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit+shutdownGrace)
	defer cancelLast()
	before := p.lost()
	err := p.shutdown(last)
	if n := p.lost() - before; n > 0 {
		p.log.WarnContext(ctx, "spans dropped at shutdown, is the collector up?", "lost", n, "target", strings.Join(p.Targets, ", "))
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
