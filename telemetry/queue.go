package telemetry

import (
	"context"
	"log/slog"
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

// logEvery is how often a collector that is away may be complained about.
const logEvery = time.Minute

// queue stands in front of OpenTelemetry's batching processor and behind it, as
// the exporter. It lets in no more spans than may wait at once, so that nothing
// behind it ever blocks or drops unseen, and counts each span that is lost on
// either side.
type queue struct {
	sdktrace.SpanProcessor // the batches
	limit                  int64
	waiting                atomic.Int64
	next                   sdktrace.SpanExporter
	stop                   context.Context // when done, exports are given up

	dropped  func(reason string, n int)
	lost     atomic.Int64 // all that were
	log      *slog.Logger
	throttle rate.Sometimes
	told     int64 // of lost, by the last log line; throttle's
}

type queueConfig struct {
	limit, batch   int
	delay, timeout time.Duration
	dropped        func(reason string, n int)
	log            *slog.Logger
}

func newQueue(stop context.Context, next sdktrace.SpanExporter, c queueConfig) *queue {
	q := &queue{limit: int64(c.limit), next: next, stop: stop, dropped: c.dropped, log: c.log,
		throttle: rate.Sometimes{First: 1, Interval: logEvery}}
	q.SpanProcessor = sdktrace.NewBatchSpanProcessor(batchExporter{q},
		sdktrace.WithMaxQueueSize(c.limit),
		sdktrace.WithMaxExportBatchSize(min(c.batch, c.limit)),
		sdktrace.WithBatchTimeout(c.delay),
		sdktrace.WithExportTimeout(c.timeout),
	)
	return q
}

// OnEnd queues a span or drops it; it never waits.
func (q *queue) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.waiting.Add(1) > q.limit {
		q.waiting.Add(-1)
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
		attrs := []slog.Attr{slog.Int64("dropped", lost-q.told), slog.String("reason", reason)}
		q.told = lost
		if err != nil {
			attrs = append(attrs, slog.Any("error", err))
		}
		q.log.LogAttrs(context.Background(), slog.LevelWarn, "spans are lost: is the collector up? (told at most once a minute)", attrs...)
	})
}

// batchExporter is what the batching processor hands its batches to.
type batchExporter struct{ q *queue }

// ExportSpans always succeeds: a failure is counted and logged here, once.
func (e batchExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	q := e.q
	defer q.waiting.Add(-int64(len(spans)))
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

func (e batchExporter) Shutdown(ctx context.Context) error { return e.q.next.Shutdown(ctx) }
