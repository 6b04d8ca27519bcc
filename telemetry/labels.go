package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/rosey-bot/rosey/event"
)

// The attributes of metrics.
const (
	attrSystem       = "messaging.system"
	attrOperation    = "messaging.operation.name"
	attrTemplate     = "messaging.destination.template"
	attrSubscription = "messaging.destination.subscription.name"
	attrError        = "error.type"
	attrOutcome      = "rosey.outcome"
	attrStream       = "rosey.stream"
	attrChannel      = "rosey.channel"
	attrDropReason   = "rosey.drop_reason"
	attrDBOperation  = "db.operation.name"
)

// label is a combination of attribute values; what is "" is left out.
type label struct{ operation, subject, consumer, outcome, channel, database, err string }

// maxLabels is how many attribute sets Metrics keeps, as making one costs more than
// recording with it.
const maxLabels = 4096

// attrs returns the attribute set of a combination, for which it sets the given counters
// to 0 when it is new: Prometheus sees no increase in a counter whose first value is 1.
func (m *Metrics) attrs(ctx context.Context, l label, counters ...metric.Int64Counter) metric.MeasurementOption {
	if o, ok := m.labels.Get(l); ok {
		return o
	}
	o := with(l.attributes()...)
	m.labels.Set(l, o)
	for _, c := range counters {
		c.Add(ctx, 0, o)
	}
	return o
}

func (l label) attributes() []attribute.KeyValue {
	var kv []attribute.KeyValue
	add := func(key, value string) {
		if value != "" {
			kv = append(kv, attribute.String(key, value))
		}
	}
	if l.operation != "" || l.outcome != "" {
		add(attrSystem, "nats")
	}
	add(attrOperation, l.operation)
	add(attrTemplate, event.Template(l.subject))
	add(attrSubscription, l.consumer)
	add(attrOutcome, l.outcome)
	add(attrChannel, l.channel)
	add(attrDBOperation, l.database)
	add(attrError, l.err)
	return kv
}

func with(kv ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(kv...))
}

// errorType returns error.type: the contract's error code, OpenTelemetry's word for
// any other error, or "" for none.
func errorType(err error) string {
	if err == nil {
		return ""
	}
	if code := event.CodeOf(err); code != "" {
		return string(code)
	}
	return "_OTHER"
}
