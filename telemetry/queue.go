package telemetry

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/time/rate"
)

// Why a span was dropped: values of rosey.span.drop_reason.
const (
	dropQueueFull    = "queue_full"    // more spans ended than the collector took
	dropExportFailed = "export_failed" // the collector refused them or was away
)

// logEvery is the time between two log lines about a collector that is away.
const logEvery = time.Minute

// queue wraps the SDK's batch processor on both sides: as the processor it drops a span
// rather than let the batch processor block or drop it uncounted, and as the exporter
// it counts the spans of failed batches.
type queue struct {
	sdktrace.SpanProcessor // the batch processor
	limit                  int64
	pending                atomic.Int64 // spans queued or being exported
	next                   sdktrace.SpanExporter
	stop                   context.Context // ends the exports that are under way

	dropped  func(reason string, n int)
	lost     atomic.Int64 // all dropped spans
	log      *slog.Logger
	throttle rate.Sometimes
	logged   int64 // lost as of the last log line; guarded by throttle
}

// newQueue starts a batch processor, which reads OTEL_BSP_*. A positive delay overrides
// OTEL_BSP_SCHEDULE_DELAY.
func newQueue(stop context.Context, next sdktrace.SpanExporter, delay time.Duration, dropped func(reason string, n int), log *slog.Logger) *queue {
	q := &queue{limit: sdktrace.DefaultMaxQueueSize, next: next, stop: stop, dropped: dropped, log: log,
		throttle: rate.Sometimes{First: 1, Interval: logEvery}}
	if n, err := strconv.ParseInt(getenv("OTEL_BSP_MAX_QUEUE_SIZE"), 10, 64); err == nil {
		q.limit = n
	}
	var opts []sdktrace.BatchSpanProcessorOption
	if delay > 0 {
		opts = append(opts, sdktrace.WithBatchTimeout(delay))
	}
	q.SpanProcessor = sdktrace.NewBatchSpanProcessor(batchExporter{q}, opts...)
	return q
}

// OnEnd queues a span, or drops it while the queue is full. It never blocks.
func (q *queue) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.pending.Add(1) > q.limit {
		q.pending.Add(-1)
		q.drop(dropQueueFull, 1, nil)
		return
	}
	q.SpanProcessor.OnEnd(s)
}

func (q *queue) drop(reason string, n int, err error) {
	q.dropped(reason, n)
	q.lost.Add(int64(n))
	q.throttle.Do(func() {
		lost := q.lost.Load()
		attrs := []slog.Attr{slog.Int64("dropped", lost-q.logged), slog.String("reason", reason)}
		q.logged = lost
		if err != nil {
			attrs = append(attrs, slog.Any("error", err))
		}
		q.log.LogAttrs(context.Background(), slog.LevelWarn, "spans dropped, is the collector up? (logged at most once a minute)", attrs...)
	})
}

// batchExporter is the exporter of the batch processor.
type batchExporter struct{ q *queue }

// ExportSpans always succeeds: it counts and logs a failure itself.
func (e batchExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	q := e.q
	defer q.pending.Add(-int64(len(spans)))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.stop, cancel)()
	err := q.stop.Err()
	if err == nil {
		err = q.next.ExportSpans(ctx, spans)
	}
	if err != nil {
		q.drop(dropExportFailed, len(spans), err)
	}
	return nil
}

// Shutdown ends the exporter behind the queue.
func (e batchExporter) Shutdown(ctx context.Context) error { return e.q.next.Shutdown(ctx) }
