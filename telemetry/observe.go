package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// StreamState is the size of one stream.
type StreamState struct {
	Stream   string
	Messages int64
	Bytes    int64
	MaxBytes int64 // how large it may grow; not above 0 is unlimited
}

// ConsumerState is how far behind one durable consumer is.
type ConsumerState struct {
	Stream   string
	Consumer string
	Lag      int64 // events not delivered yet
	Unacked  int64 // events delivered and not acknowledged yet
}

// observeLimit is how long a scrape may wait for the states.
const observeLimit = 3 * time.Second

// Observe registers functions that each scrape calls, with 3 s for all: whether the store
// is full, and the states of streams and consumers. States are reported even when an error
// comes with them, which goes to NewMetrics' failed; Setup logs it at most once a minute.
func (m *Metrics) Observe(
	full func() bool,
	streams func(context.Context) ([]StreamState, error),
	consumers func(context.Context) ([]ConsumerState, error),
) error {
	_, err := m.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, observeLimit)
		defer cancel()
		o.ObserveInt64(m.storeFull, one(full()))
		ss, streamsErr := streams(ctx)
		for _, s := range ss {
			attrs := with(attribute.String(attrStream, s.Stream))
			o.ObserveInt64(m.streamMessages, s.Messages, attrs)
			o.ObserveInt64(m.streamBytes, s.Bytes, attrs)
			if s.MaxBytes > 0 {
				o.ObserveInt64(m.streamLimit, s.MaxBytes, attrs)
			}
		}
		cs, consumersErr := consumers(ctx)
		for _, c := range cs {
			attrs := with(attribute.String(attrStream, c.Stream), attribute.String(attrSubscription, c.Consumer))
			o.ObserveInt64(m.lag, c.Lag, attrs)
			o.ObserveInt64(m.unacked, c.Unacked, attrs)
		}
		if err := errors.Join(streamsErr, consumersErr); err != nil {
			m.failed(fmt.Errorf("observe streams: %w", err))
		}
		return nil
	}, m.storeFull, m.streamMessages, m.streamBytes, m.streamLimit, m.lag, m.unacked)
	if err != nil {
		return fmt.Errorf("observe streams and consumers: %w", err)
	}
	return nil
}
