package replay

import (
	"context"
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A durable is a durable consumer of a stream: it handled each event of its
// subjects that lies before its acknowledgement floor, whatever came of that.
type durable struct {
	stream string
	info   *jetstream.ConsumerInfo
}

// durables lists the streams' durable consumers.
func durables(ctx context.Context, js jetstream.JetStream) ([]durable, error) {
	var all []durable
	for _, spec := range streams.Specs() {
		s, err := js.Stream(ctx, spec.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return nil, event.Errorf(event.NATSError, "look at stream %s: %w", spec.Name, err)
		}
		list := s.ListConsumers(ctx)
		for info := range list.Info() {
			if info.Config.Durable != "" {
				all = append(all, durable{spec.Name, info})
			}
		}
		if err := list.Err(); err != nil {
			return nil, event.Errorf(event.NATSError, "list consumers of %s: %w", spec.Name, err)
		}
	}
	return all, nil
}

// handled reports whether an event was given to the consumer and acknowledged.
func (d durable) handled(e Event) bool {
	cfg := d.info.Config
	if e.Ref.Stream != d.stream || e.Ref.Seq > d.info.AckFloor.Stream {
		return false
	}
	switch cfg.DeliverPolicy {
	case jetstream.DeliverAllPolicy:
	case jetstream.DeliverByStartSequencePolicy:
		if e.Ref.Seq < cfg.OptStartSeq {
			return false
		}
	case jetstream.DeliverByStartTimePolicy:
		if cfg.OptStartTime != nil && e.At.Before(*cfg.OptStartTime) {
			return false
		}
	default:
		if e.At.Before(d.info.Created) {
			return false
		}
	}
	return streams.Reads(cfg, e.Subject)
}

// delivery is the delivery of an event to a consumer, made when it is new.
func (b *spanBuilder) delivery(key processKey, cause *node, outcome string) *process {
	p := b.processes[key]
	if p == nil {
		p = &process{cause: cause, consumer: key.consumer, attempt: key.attempt, outcome: outcome}
		b.processes[key] = p
		b.made = append(b.made, p)
	}
	return p
}

// retried is the outcome of an attempt that failed and was not the last.
const retried = "retried"

// addSilent adds the deliveries that left no event behind: attempts before one
// that did, which failed, and those of a consumer that is past the event, which
// went well without a word.
func (b *spanBuilder) addSilent(readers []durable) {
	loud := map[processKey]bool{} // whatever the attempt
	for _, p := range slices.Clone(b.made) {
		if p.answers.IsValid() {
			continue
		}
		loud[processKey{p.cause.Ref, p.consumer, 0}] = true
		for attempt := 1; attempt < p.attempt; attempt++ {
			failed := b.delivery(processKey{p.cause.Ref, p.consumer, attempt}, p.cause, retried)
			if len(failed.outputs) == 0 {
				failed.failure = event.Errorf(event.PluginError, "the streams do not say why; see the log of then")
			}
		}
	}
	for _, n := range b.order {
		for _, d := range readers {
			key := processKey{n.Ref, d.info.Name, 0}
			if !loud[key] && d.handled(n.event) {
				key.attempt = 1
				b.delivery(key, n, handled)
			}
		}
	}
}

// addAnswer notes an event that was published while a request was answered, which
// names the span of that and nothing in a stream.
func (b *spanBuilder) addAnswer(n *node) {
	within := parentSpan(n)
	if !within.IsValid() {
		return
	}
	for _, r := range b.order {
		if stream, ok := streams.For(r.Subject); !ok || !stream.NoAck || propagation.SpanID(b.traceID, streams.AnswerSeed(b.sends[r])) != within {
			continue
		}
		p := b.answered[within]
		if p == nil {
			p = &process{cause: r, answers: within}
			b.answered[within] = p
			b.made = append(b.made, p)
		}
		p.outputs = append(p.outputs, n)
		return
	}
}

// parentSpan is the span that an event says it was published in, if it does.
func parentSpan(n *node) trace.SpanID {
	id, err := trace.SpanIDFromHex(n.Meta(event.MetaParentSpan))
	if err != nil {
		return trace.SpanID{}
	}
	return id
}
