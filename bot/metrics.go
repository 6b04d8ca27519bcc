package bot

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/telemetry"
)

// ListenError is an address of the settings that cannot be listened on.
type ListenError struct {
	Setting, Address string
	Err              error
}

func (e *ListenError) Error() string { return fmt.Sprintf("%s %s: %v", e.Setting, e.Address, e.Err) }
func (e *ListenError) Unwrap() error { return e.Err }

// serveMetrics adds the part that serves /metrics, /healthz and /readyz.
func serveMetrics(g *group, address string, m *telemetry.Metrics, ready func(context.Context) error, log *slog.Logger) error {
	server, err := telemetry.Listen(address, m, ready)
	if err != nil {
		return &ListenError{Setting: "metrics", Address: address, Err: err}
	}
	log.Info("metrics are served", "url", "http://"+server.Addr()+"/metrics")
	g.add("metrics", worker(server.Serve))
	return nil
}

// observeStreams makes each scrape observe the store, the streams, their consumers and
// the outbox of each channel; outboxes has the channel of each consumer.
func observeStreams(m *telemetry.Metrics, srv *server, outboxes map[string]string) error {
	return m.Observe(
		func() bool { return srv.full() != nil },
		func(ctx context.Context) (list []telemetry.StreamState, err error) {
			states, err := monitor.Streams(ctx, srv.js)
			for _, s := range states {
				list = append(list, telemetry.StreamState{Stream: s.Name, Messages: int64(s.Messages), Bytes: int64(s.Bytes), MaxBytes: s.MaxBytes})
			}
			return list, err
		},
		func(ctx context.Context) (list []telemetry.ConsumerState, err error) {
			states, err := monitor.Consumers(ctx, srv.js)
			for _, c := range states {
				list = append(list, telemetry.ConsumerState{Stream: c.Stream, Consumer: c.Name, Lag: int64(c.Lag), Unacked: int64(c.Unacked)})
				if channel, ok := outboxes[c.Name]; ok {
					m.SendQueue(ctx, channel, int(c.Lag)+int(c.Unacked))
				}
			}
			return list, err
		})
}

// outcomes returns a function that counts what consumers do with events. The span
// that handled an event is the exemplar that leads from a slow bucket to a trace.
func outcomes(ctx context.Context, tel *telemetry.Providers) func(consumers.Outcome) {
	results := map[string]string{
		consumers.Handled: telemetry.OutcomeDone, consumers.Retried: telemetry.OutcomeRetry,
		consumers.Dead: telemetry.OutcomeDeadLetter, consumers.Expired: telemetry.OutcomeExpired,
	}
	return func(o consumers.Outcome) {
		tel.Metrics.Handled(trace.ContextWithSpanContext(ctx, o.Span), telemetry.Delivery{
			Consumer: o.Consumer, Subject: o.Subject, Outcome: results[o.Result], Attempt: o.Attempt, Waited: o.Waited, Took: o.Took, Err: o.Err,
		})
	}
}
