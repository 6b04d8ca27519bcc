package telemetry

import (
	"sync"

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

// labels remembers the attribute sets of combinations that come with every
// event, as making one costs more than recording with it. The zero value is
// ready to use.
type labels struct {
	mu    sync.RWMutex
	known map[label]metric.MeasurementOption
}

// maxLabels bounds labels where subjects do not repeat.
const maxLabels = 4096

func (ls *labels) of(l label) metric.MeasurementOption {
	o, _ := ls.first(l)
	return o
}

// first also reports whether the combination is new.
func (ls *labels) first(l label) (o metric.MeasurementOption, isNew bool) {
	ls.mu.RLock()
	o, ok := ls.known[l]
	ls.mu.RUnlock()
	if ok {
		return o, false
	}
	o = with(l.attributes()...)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.known == nil {
		ls.known = map[label]metric.MeasurementOption{}
	}
	if len(ls.known) < maxLabels {
		ls.known[l] = o
	}
	return o, true
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
