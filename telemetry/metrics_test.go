package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/oteltest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func metrics(t *testing.T) *telemetry.Metrics {
	t.Helper()
	m, err := telemetry.NewMetrics(resource.Empty(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Shutdown(context.Background()) })
	return m
}

// exercise makes every metric there is appear on the page.
func exercise(t *testing.T, ctx context.Context, m *telemetry.Metrics) {
	t.Helper()
	m.Sent(ctx, event.SubjectChat, 2*time.Millisecond, nil)
	m.Sent(ctx, event.SubjectChat, time.Second, event.Errorf(event.NATSError, "no stream"))
	m.Requested(ctx, event.RequestSubject("quote-db", "random"), 30*time.Millisecond, nil)
	m.Requested(ctx, event.SubjectGet, 5*time.Second, event.Errorf(event.Timeout, "no reply"))
	command := telemetry.Delivery{Consumer: "plugin-dice-roller", Subject: event.CommandSubject("dice-roller"),
		Outcome: telemetry.OutcomeDone, Attempt: 1, Waited: 300 * time.Microsecond, Took: 40 * time.Microsecond}
	m.Handled(ctx, command)
	command.Attempt, command.Outcome, command.Err = 2, telemetry.OutcomeRetry, errors.New("boom")
	m.Handled(ctx, command)
	command.Attempt, command.Outcome = 5, telemetry.OutcomeDeadLetter
	m.Handled(ctx, command)
	m.Handled(ctx, telemetry.Delivery{Consumer: "cytube-sender", Subject: event.SubjectSendChat, Outcome: telemetry.OutcomeExpired, Attempt: 1, Waited: -time.Second})
	m.DuplicateDropped(ctx, event.SubjectSendChat)
	m.SendQueue(ctx, "channel", 3)
	m.Connected(ctx, "channel", true)
	m.Muted(ctx, "channel", false)
	m.Reconnected(ctx, "channel")
	m.EchoMissed(ctx, "channel")
	m.Resent(ctx, "channel")
	m.DatabaseOperation(ctx, "query", 4*time.Millisecond, nil)
	m.DatabaseOperation(ctx, "get", time.Millisecond, event.Errorf(event.RecordNotFound, "no record"))
	m.SpansDropped("queue_full", 7)
	err := m.Observe(
		func() bool { return true },
		func(context.Context) ([]telemetry.StreamState, error) {
			return []telemetry.StreamState{{Stream: "CYTUBE", Messages: 1000, Bytes: 300_000, MaxBytes: 1 << 30}, {Stream: "PLUGIN", Messages: 7, Bytes: 900}}, nil
		},
		func(context.Context) ([]telemetry.ConsumerState, error) {
			return []telemetry.ConsumerState{{Stream: "CYTUBE", Consumer: "router", Lag: 12, Unacked: 1}}, errors.New("PLUGIN did not answer")
		})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	var lines buffer
	log, err := telemetry.NewLogger(&lines, "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	m := setup(t, telemetry.Config{Logger: log}).Metrics
	exercise(t, context.Background(), m)
	page := scrape(t, m)
	if !strings.Contains(lines.String(), "PLUGIN did not answer") {
		t.Errorf("the log does not say what is missing: %s", &lines)
	}
	const (
		chat     = `messaging_destination_template="cytube.chat"`
		command  = `messaging_destination_template="plugin.{name}.command"`
		consumer = `messaging_destination_subscription_name="plugin-dice-roller"`
		channel  = `rosey_channel="channel"`
	)
	for _, tt := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{2, "messaging_client_sent_messages_total", []string{chat, `messaging_system="nats"`}},
		{1, "messaging_client_sent_messages_total", []string{chat, `error_type="NATS_ERROR"`}},
		{1, "messaging_client_operation_duration_seconds_count", []string{`messaging_operation_name="request"`, `messaging_destination_template="plugin.{name}.request.random"`}},
		{5, "messaging_client_operation_duration_seconds_sum", []string{`error_type="TIMEOUT"`}},
		{3, "messaging_process_duration_seconds_count", []string{command, consumer}},
		{1, "messaging_process_duration_seconds_count", []string{consumer, `rosey_outcome="done"`}},
		{2, "messaging_process_duration_seconds_count", []string{consumer, `error_type="_OTHER"`}},
		{1, "messaging_process_duration_seconds_bucket", []string{`rosey_outcome="done"`, `le="0.0001"`}},
		{1, "rosey_consumer_wait_duration_seconds_count", []string{command, consumer}},
		{0, "rosey_consumer_wait_duration_seconds_sum", []string{"cytube-sender"}},
		{2, "rosey_consumer_redeliveries_total", []string{command, consumer}},
		{1, "rosey_consumer_dead_letters_total", []string{command, consumer}},
		{1, "rosey_consumer_expired_total", []string{`messaging_destination_template="cytube.send.chat"`}},
		{1, "rosey_stream_duplicates_total", []string{`messaging_destination_template="cytube.send.chat"`}},
		{3, "rosey_send_queue", []string{channel}},
		{1, "rosey_cytube_connected", []string{channel}},
		{1, "rosey_cytube_reconnects_total", []string{channel}},
		{1, "rosey_send_echoes_missed_total", []string{channel}},
		{1, "rosey_send_resends_total", []string{channel}},
		{1, "rosey_database_operation_duration_seconds_count", []string{`db_operation_name="query"`}},
		{1, "rosey_database_operation_duration_seconds_count", []string{`db_operation_name="get"`, `error_type="RECORD_NOT_FOUND"`}},
		{7, "rosey_span_dropped_total", []string{`rosey_drop_reason="queue_full"`}},
		{1, "rosey_store_full", nil},
		{1000, "rosey_stream_messages", []string{`rosey_stream="CYTUBE"`}},
		{300_000, "rosey_stream_size_bytes", []string{`rosey_stream="CYTUBE"`}},
		{1 << 30, "rosey_stream_limit_bytes", nil},
		{12, "rosey_consumer_lag", []string{`rosey_stream="CYTUBE"`, `messaging_destination_subscription_name="router"`}},
		{1, "rosey_consumer_unacknowledged", []string{`messaging_destination_subscription_name="router"`}},
	} {
		wantSample(t, page, tt.want, tt.name, tt.labels...)
	}
}

func TestProcessMetrics(t *testing.T) {
	t.Parallel()
	page := scrape(t, metrics(t))
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if _, ok := sample(t, page, name); !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestGaugeFollowsTheConnection(t *testing.T) {
	t.Parallel()
	m := metrics(t)
	for _, up := range []bool{true, false} {
		m.Connected(context.Background(), "channel", up)
		want := map[bool]float64{true: 1}[up]
		wantSample(t, scrape(t, m), want, "rosey_cytube_connected", `rosey_channel="channel"`)
	}
}

// Prometheus sees no increase in a counter that starts at one.
func TestCountersStartAtZero(t *testing.T) {
	t.Parallel()
	m := metrics(t)
	m.Connected(context.Background(), "channel", true)
	m.Sent(context.Background(), event.SubjectChat, time.Millisecond, nil)
	m.Handled(context.Background(), telemetry.Delivery{Consumer: "router", Subject: event.SubjectChat, Outcome: telemetry.OutcomeDone, Attempt: 1})
	page := scrape(t, m)
	for _, name := range []string{"rosey_consumer_redeliveries_total", "rosey_consumer_dead_letters_total", "rosey_consumer_expired_total"} {
		wantSample(t, page, 0, name, `messaging_destination_subscription_name="router"`)
	}
	for _, name := range []string{"rosey_cytube_reconnects_total", "rosey_send_echoes_missed_total", "rosey_send_resends_total"} {
		wantSample(t, page, 0, name, `rosey_channel="channel"`)
	}
	wantSample(t, page, 0, "rosey_stream_duplicates_total", `messaging_destination_template="cytube.chat"`)
	for _, reason := range []string{"queue_full", "export_failed"} {
		wantSample(t, page, 0, "rosey_span_dropped_total", reason)
	}
}

// A slow bucket leads to a trace.
func TestExemplars(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	r := oteltest.Start(t)
	p := setup(t, telemetry.Config{Exporter: r.Exporter(t, "grpc"), BatchDelay: 10 * time.Millisecond})
	id := uuid.New()
	ctx, span := propagation.StartSpan(propagation.WithCorrelation(ctx, id.String()), p.Tracer("test"), "process", "")
	p.Metrics.Handled(ctx, telemetry.Delivery{Consumer: "router", Subject: event.SubjectChat, Outcome: telemetry.OutcomeDone, Attempt: 1})
	span.End()
	w := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	p.Metrics.Handler().ServeHTTP(w, req)
	if want := fmt.Sprintf(`trace_id="%x"`, id[:]); !strings.Contains(w.Body.String(), want) {
		t.Errorf("no exemplar has %s:\n%s", want, w.Body)
	}
}

// Subjects that nobody foresaw cannot fill the memory.
func TestCardinalityIsBounded(t *testing.T) {
	t.Parallel()
	m := metrics(t)
	const n = 5000
	for i := range n {
		m.DuplicateDropped(context.Background(), event.EventSubject("quiz", fmt.Sprint(i)))
	}
	page := scrape(t, m)
	if series := strings.Count(page, "\nrosey_stream_duplicates_total{"); series > 2000 {
		t.Errorf("there are %d series", series)
	}
	wantSample(t, page, n, "rosey_stream_duplicates_total")
}

func BenchmarkHandled(b *testing.B) {
	m, err := telemetry.NewMetrics(resource.Empty(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Shutdown(context.Background())
	h := telemetry.Delivery{Consumer: "plugin-dice-roller", Subject: event.CommandSubject("dice-roller"), Outcome: telemetry.OutcomeDone, Attempt: 1}
	b.ReportAllocs()
	for b.Loop() {
		m.Handled(context.Background(), h)
	}
}
