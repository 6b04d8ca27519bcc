//go:build unix

package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/diceroller"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/streams/tracing"
	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/oteltest"
)

// tracedChain is everything that a command goes through but the channel itself: the
// chat line is published, routed, handled by a plugin, and what the plugin says
// is taken by a consumer in the sender's place.
type tracedChain struct {
	bus  *streams.Bus
	said chan struct{}
}

func startTracedChain(b *testing.B, exporter sdktrace.SpanExporter) *tracedChain {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.DiscardHandler)
	tel, err := telemetry.Setup(ctx, telemetry.Config{Service: "rosey", Logger: log, Exporter: exporter})
	if err != nil {
		b.Fatal(err)
	}
	bus := streamstest.Bus(b, streamstest.Server(b), tracing.With(tel.Tracer("")), streams.WithObserver(tel.Metrics))
	kv, err := router.OpenBucket(ctx, bus.JetStream(), 1)
	if err != nil {
		b.Fatal(err)
	}
	c := &tracedChain{bus: bus, said: make(chan struct{}, 1<<16)}
	registry := router.NewRegistry("!", log)
	router := router.Router{Registry: registry, Prefix: "!", IsBot: func(_, user string) bool { return user == "rosey" }, Logger: log}
	host := host.Host{Bus: bus, Bucket: kv, Logger: log}
	sink := consumers.Config{Durable: "cytube-sender", Stream: streams.Cytube, Subjects: []string{event.AllSends}, Name: "cytube-sender"}
	ready := make(chan struct{})
	ended := make(chan error, 4)
	for _, run := range []func() error{
		func() error { return registry.Watch(ctx, bus.JetStream(), kv, nil, func() { close(ready) }) },
		func() error { <-ready; return consumers.Run(ctx, bus, router.Config(), router.Handle) },
		func() error { return host.Run(ctx, diceroller.New()) },
		func() error {
			return consumers.Run(ctx, bus, sink, func(context.Context, streams.Stored) ([]event.Envelope, error) {
				c.said <- struct{}{}
				return nil, nil
			})
		},
	} {
		go func() { ended <- run() }()
	}
	b.Cleanup(func() {
		cancel()
		for range cap(ended) {
			<-ended
		}
		_ = tel.Shutdown(context.Background())
	})
	if err := poll(streamstest.Context(b), func() bool { return len(registry.Plugins()) == 1 }); err != nil {
		b.Fatal(err)
	}
	return c
}

// round is how many commands a second get through, n of them typed at once, and
// the processor time that each takes, in us.
func (c *tracedChain) round(b *testing.B, n int) (rate, cpu float64) {
	b.Helper()
	before, started := processorTime(b), time.Now()
	for range n {
		e, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: "!roll 2d6+3", Channel: "main", Rank: 2, Time: 1732645200000})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.bus.Publish(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
	for range n {
		<-c.said
	}
	took := time.Since(started)
	return float64(n) / took.Seconds(), float64((processorTime(b) - before).Microseconds()) / float64(n)
}

// processorTime is what this process has used of the processors. Unlike the
// time that passes it tells much the same on a machine that others use, too.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTracing compares the throughput of the chain without tracing, with
// it, and with a collector that refuses connections or never answers. Rounds
// take turns, so that all see the same machine, and each is compared with its
// neighbour; the median of that counts, and the middle half is shown with it.
func BenchmarkTracing(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(collector.Close)
	to := func(endpoint string) sdktrace.SpanExporter { return oteltest.ExporterTo(b, endpoint, "http/protobuf") }
	modes := []struct {
		name     string
		exporter sdktrace.SpanExporter
	}{
		{"off", nil},
		{"on", to(collector.URL)},
		{"dead", to(oteltest.Refused(b))},
		{"black-hole", to(oteltest.BlackHole(b))},
	}
	const rounds, commands = 21, 500
	chains := make([]*tracedChain, len(modes))
	for i, m := range modes {
		chains[i] = startTracedChain(b, m.exporter)
		chains[i].round(b, commands) // warm up
	}
	for b.Loop() {
		rates, times, shares := make([][]float64, len(modes)), make([][]float64, len(modes)), make([][]float64, len(modes))
		for range rounds {
			off := 0.0
			for i, c := range chains {
				rate, cpu := c.round(b, commands)
				if i == 0 {
					off = rate
				}
				rates[i], times[i], shares[i] = append(rates[i], rate), append(times[i], cpu), append(shares[i], rate/off)
			}
		}
		for i, m := range modes {
			b.ReportMetric(quantile(rates[i], 0.5), m.name+"/s")
			b.ReportMetric(quantile(shares[i], 0.5), m.name+"/off")
			b.Logf("%-10s %6.0f commands/s, %.2f of off (%.2f to %.2f), %3.0f us of processor time each", m.name,
				quantile(rates[i], 0.5), quantile(shares[i], 0.5), quantile(shares[i], 0.25), quantile(shares[i], 0.75), quantile(times[i], 0.5))
		}
	}
}
