package host

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// serve adds the plugin as a micro service, which answers its requests and lists
// this instance in `nats micro ls`.
func serve(ctx context.Context, bus *streams.Bus, r plugins.Runtime, restart func()) (micro.Service, error) {
	p := r.Plugin
	svc, err := micro.AddService(bus.Conn(), micro.Config{
		Name: streams.Durable(p.Name), Version: p.Version, Description: p.Description, Metadata: map[string]string{"plugin": p.Name},
	})
	if err != nil {
		return nil, fmt.Errorf("start service of %s: %w", p.Name, err)
	}
	control := micro.HandlerFunc(func(m micro.Request) {
		// A client may name this subject as its reply subject: what the server sends
		// there has headers or data, and restarts nothing.
		if m.Subject() == streams.RestartSubject(p.Name) && len(m.Data()) == 0 && len(m.Headers()) == 0 {
			restart()
		}
	})
	err = svc.AddEndpoint("restart", control,
		micro.WithEndpointSubject(streams.RestartSubject(p.Name)), micro.WithEndpointQueueGroupDisabled())
	for _, e := range p.Requests {
		if err != nil {
			break
		}
		name := "request"
		if e.Action != "" {
			name += "-" + e.Action
		}
		answer := func(ctx context.Context, request event.Envelope) (any, error) {
			r := r
			r.Publisher = newAnswering(bus, p.Name, streams.IdempotencyKeyOf(ctx))
			return r.Answer(ctx, e, request)
		}
		err = svc.AddEndpoint(name, bus.Service(ctx, answer), micro.WithEndpointSubject(e.Subject(p.Name)))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start service of %s: %w", p.Name, err), svc.Stop())
	}
	return svc, nil
}

// publisher publishes for a plugin outside of a delivery, where no redelivery has to
// be deduplicated.
type publisher struct {
	*streams.Bus
	plugin string
}

// Publish stores an event. The error is PERMISSION_DENIED if the subject is not the
// plugin's.
func (p publisher) Publish(ctx context.Context, e event.Envelope, opts ...streams.PublishOption) (streams.Ack, error) {
	if err := event.Owned(p.plugin, e.Subject); err != nil {
		return streams.Ack{}, err
	}
	return p.Bus.Publish(ctx, e, opts...)
}

// CancelTimer cancels a timer, whatever set it.
func (p publisher) CancelTimer(ctx context.Context, plugin, timer string) error {
	return p.Bus.CancelTimer(ctx, plugin, timer, math.MaxUint64)
}
