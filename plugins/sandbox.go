package plugins

import (
	"context"
	"slices"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
)

// Handler is the plugin as a consumer's handler, for who hands it events in
// another way than Run does. It publishes and requests through the publisher of
// its context (see consumers.WithPublisher).
func (h Host) Handler(p Plugin) consumers.Handler {
	return h.handler(p, h.Bus.As(Durable(p.Name)), h.Logger.With("plugin", p.Name))
}

// Serve starts a plugin and answers its requests until stop is called, without
// reading any events.
func (h Host) Serve(ctx context.Context, p Plugin) (stop func() error, err error) {
	bus, log := h.Bus.As(Durable(p.Name)), h.Logger.With("plugin", p.Name)
	ctx, cancel := context.WithCancel(ctx)
	if err := h.start(ctx, bus, p, log); err != nil {
		cancel()
		return nil, err
	}
	svc, err := h.serve(ctx, bus, p, log, func() {})
	if err != nil {
		cancel()
		return nil, err
	}
	return func() error { cancel(); return svc.Stop() }, nil
}

// Subjects are the patterns of all events that the plugin handles: its commands
// and what it subscribes to.
func (p Plugin) Subjects() ([]string, error) {
	byStream, err := p.subjects()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, subjects := range byStream {
		all = append(all, subjects...)
	}
	slices.Sort(all)
	return all, nil
}

// Handles reports whether the plugin handles events on a subject.
func (p Plugin) Handles(subject string) bool {
	return subject == event.CommandSubject(p.Name) || slices.ContainsFunc(p.Events, func(s Subscription) bool { return matches(s.Subject, subject) })
}
