package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/rosey-bot/rosey/internal/recent"
)

// Metrics counts what a process does. Its methods implement the observers of other
// packages; they take plain values, so that those need not import OpenTelemetry's
// metrics. Names and attributes follow OpenTelemetry's conventions for messaging where
// it has any and begin with rosey otherwise. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	provider *sdkmetric.MeterProvider
	meter    metric.Meter
	labels   *recent.Map[label, metric.MeasurementOption]
	failed   func(error) // receives the errors of Observe's functions

	sent        metric.Int64Counter
	operations  metric.Float64Histogram
	handled     metric.Float64Histogram
	waited      metric.Float64Histogram
	redelivered metric.Int64Counter
	deadLetters metric.Int64Counter
	expired     metric.Int64Counter
	duplicates  metric.Int64Counter
	sendQueue   metric.Int64Gauge
	connected   metric.Int64Gauge
	muted       metric.Int64Gauge
	missed      metric.Int64Counter
	resent      metric.Int64Counter
	reconnects  metric.Int64Counter
	database    metric.Float64Histogram
	spansLost   metric.Int64Counter

	storeFull      metric.Int64ObservableGauge
	streamMessages metric.Int64ObservableGauge
	streamBytes    metric.Int64ObservableGauge
	streamLimit    metric.Int64ObservableGauge
	lag            metric.Int64ObservableGauge
	unacked        metric.Int64ObservableGauge
}

// durations are the bounds of all histograms, in seconds. An event's hop within
// one process takes some tens of microseconds, a dead letter minutes.
var durations = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

// NewMetrics returns the metrics of a process that the resource describes. It calls failed
// with the errors of the functions passed to Observe; nil ignores them.
func NewMetrics(res *resource.Resource, failed func(error)) (*Metrics, error) {
	if failed == nil {
		failed = func(error) {}
	}
	m := &Metrics{registry: prometheus.NewRegistry(), failed: failed, labels: recent.NewMap[label, metric.MeasurementOption](maxLabels)}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprom.New(otelprom.WithRegisterer(m.registry), otelprom.WithoutScopeInfo(),
		otelprom.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes))
	if err != nil {
		return nil, fmt.Errorf("make the Prometheus exporter: %w", err)
	}
	m.provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(res))
	m.meter = m.provider.Meter("github.com/rosey-bot/rosey")
	if err := m.instruments(); err != nil {
		return nil, errors.Join(err, m.provider.Shutdown(context.Background()))
	}
	for _, reason := range []string{dropQueueFull, dropExportFailed} {
		m.SpansDropped(reason, 0)
	}
	return m, nil
}

func (m *Metrics) instruments() error {
	var errs []error
	for _, i := range []struct {
		to         any
		name, unit string
		what       string
	}{
		{&m.sent, "messaging.client.sent.messages", "{message}", "Events and requests that were published, by subject."},
		{&m.operations, "messaging.client.operation.duration", "s", "Time until an event was stored (send) or a request was answered (request)."},
		{&m.handled, "messaging.process.duration", "s", "Time that a consumer's handler took for one event, by outcome."},
		{&m.waited, "rosey.consumer.wait.duration", "s", "Time that an event lay in its stream before a consumer first took it up."},
		{&m.redelivered, "rosey.consumer.redeliveries", "{event}", "Events that a consumer took up again after a failure."},
		{&m.deadLetters, "rosey.consumer.dead_letters", "{event}", "Events that a consumer gave up on."},
		{&m.expired, "rosey.consumer.expired", "{event}", "Events that were too old to be handled when their turn came."},
		{&m.duplicates, "rosey.stream.duplicates", "{event}", "Repeated publishes that a stream dropped."},
		{&m.sendQueue, "rosey.send.queue", "{message}", "Messages that wait to be sent to the channel or to be echoed by it."},
		{&m.connected, "rosey.cytube.connected", "{connection}", "Whether the connector is in the channel: 1 or 0."},
		{&m.muted, "rosey.cytube.muted", "{mute}", "Whether the bot is muted in the channel: 1 or 0."},
		{&m.missed, "rosey.send.echoes_missed", "{message}", "Messages that were sent and whose echo never came."},
		{&m.resent, "rosey.send.resends", "{message}", "Messages that were sent again, the only place where a duplicate can appear."},
		{&m.reconnects, "rosey.cytube.reconnects", "{connection}", "Connections to the channel that were made after one was lost."},
		{&m.database, "rosey.database.operation.duration", "s", "Time that a database operation took in the service."},
		{&m.spansLost, "rosey.span.dropped", "{span}", "Spans that were not exported."},
		{&m.storeFull, "rosey.store.full", "{store}", "Whether nothing new is stored for lack of room: 1 or 0."},
		{&m.streamMessages, "rosey.stream.messages", "{event}", "Events that a stream holds."},
		{&m.streamBytes, "rosey.stream.size", "By", "Bytes that a stream takes up."},
		{&m.streamLimit, "rosey.stream.limit", "By", "Bytes that a stream may take up before it drops its oldest events."},
		{&m.lag, "rosey.consumer.lag", "{event}", "Events that a consumer was not given yet."},
		{&m.unacked, "rosey.consumer.unacknowledged", "{event}", "Events that a consumer was given and did not finish yet."},
	} {
		var err error
		switch to := i.to.(type) {
		case *metric.Int64Counter:
			*to, err = m.meter.Int64Counter(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.what))
		case *metric.Int64Gauge:
			*to, err = m.meter.Int64Gauge(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.what))
		case *metric.Int64ObservableGauge:
			*to, err = m.meter.Int64ObservableGauge(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.what))
		case *metric.Float64Histogram:
			*to, err = m.meter.Float64Histogram(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.what),
				metric.WithExplicitBucketBoundaries(durations...))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Handler serves the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		EnableOpenMetrics:   true, // for exemplars, which lead from a slow bucket to a trace
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

// Shutdown ends the metrics; the handler then serves none.
func (m *Metrics) Shutdown(ctx context.Context) error {
	if err := m.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("end metrics: %w", err)
	}
	return nil
}

// Sent notes that an event was published, or not, and how long the stream's
// acknowledgement took.
func (m *Metrics) Sent(ctx context.Context, subject string, took time.Duration, err error) {
	m.attrs(ctx, label{subject: subject}, m.duplicates)
	m.operation(ctx, "send", subject, took, err)
}

// Requested notes that a request was answered, or not, and how long that took.
func (m *Metrics) Requested(ctx context.Context, subject string, took time.Duration, err error) {
	m.operation(ctx, "request", subject, took, err)
}

func (m *Metrics) operation(ctx context.Context, name, subject string, took time.Duration, err error) {
	attrs := m.attrs(ctx, label{operation: name, subject: subject, err: errorType(err)})
	m.sent.Add(ctx, 1, attrs)
	m.operations.Record(ctx, took.Seconds(), attrs)
}

// How a consumer's work on an event ended: values of Delivery.Outcome.
const (
	OutcomeDone       = "done"
	OutcomeRetry      = "retry"       // failed, to be delivered again
	OutcomeDeadLetter = "dead_letter" // failed for good
	OutcomeExpired    = "expired"     // too old, not handled
)

// Delivery is one delivery of an event to a consumer.
type Delivery struct {
	Consumer string // the durable's name
	Subject  string
	Outcome  string
	Attempt  int           // from 1
	Waited   time.Duration // from being stored until this delivery
	Took     time.Duration // in the handler
	Err      error         // of the handler, if it failed
}

// Handled notes how a consumer's work on an event ended.
func (m *Metrics) Handled(ctx context.Context, h Delivery) {
	m.handled.Record(ctx, h.Took.Seconds(),
		m.attrs(ctx, label{consumer: h.Consumer, subject: h.Subject, outcome: h.Outcome, err: errorType(h.Err)}))
	both := m.attrs(ctx, label{consumer: h.Consumer, subject: h.Subject}, m.redelivered, m.deadLetters, m.expired)
	if h.Attempt > 1 {
		m.redelivered.Add(ctx, 1, both)
	} else {
		m.waited.Record(ctx, max(h.Waited, 0).Seconds(), both)
	}
	switch h.Outcome {
	case OutcomeDeadLetter:
		m.deadLetters.Add(ctx, 1, both)
	case OutcomeExpired:
		m.expired.Add(ctx, 1, both)
	}
}

// DuplicateDropped notes that a stream dropped a repeated publish.
func (m *Metrics) DuplicateDropped(ctx context.Context, subject string) {
	m.duplicates.Add(ctx, 1, m.attrs(ctx, label{subject: subject}))
}

// SendQueue notes how many messages wait to be sent to a channel or echoed by it.
func (m *Metrics) SendQueue(ctx context.Context, channel string, n int) {
	m.sendQueue.Record(ctx, int64(n), m.channel(ctx, channel))
}

// Connected notes whether the connector is in the channel.
func (m *Metrics) Connected(ctx context.Context, channel string, up bool) {
	m.connected.Record(ctx, one(up), m.channel(ctx, channel))
}

// Muted notes whether the bot is muted in the channel.
func (m *Metrics) Muted(ctx context.Context, channel string, muted bool) {
	m.muted.Record(ctx, one(muted), m.channel(ctx, channel))
}

// one returns what a gauge says of a state: 1 where it holds, else 0.
func one(holds bool) int64 {
	if holds {
		return 1
	}
	return 0
}

// Reconnected notes that a lost connection to a channel was made again.
func (m *Metrics) Reconnected(ctx context.Context, channel string) {
	m.reconnects.Add(ctx, 1, m.channel(ctx, channel))
}

// EchoMissed notes a message that was sent and never came back.
func (m *Metrics) EchoMissed(ctx context.Context, channel string) {
	m.missed.Add(ctx, 1, m.channel(ctx, channel))
}

// Resent notes a message that was sent again.
func (m *Metrics) Resent(ctx context.Context, channel string) {
	m.resent.Add(ctx, 1, m.channel(ctx, channel))
}

// DatabaseOperation notes one operation of the database service, such as
// get or query.
func (m *Metrics) DatabaseOperation(ctx context.Context, operation string, took time.Duration, err error) {
	m.database.Record(ctx, took.Seconds(), m.attrs(ctx, label{database: operation, err: errorType(err)}))
}

// SpansDropped notes spans that were not exported, and why.
func (m *Metrics) SpansDropped(reason string, n int) {
	m.spansLost.Add(context.Background(), int64(n), with(attribute.String(attrDropReason, reason)))
}

func (m *Metrics) channel(ctx context.Context, name string) metric.MeasurementOption {
	return m.attrs(ctx, label{channel: name}, m.reconnects, m.missed, m.resent)
}
