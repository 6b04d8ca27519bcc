package plugins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Durable is the name of a plugin's durable consumer.
func Durable(plugin string) string { return streams.Durable(plugin) }

// Restart tells every running instance of a plugin to start over.
func Restart(nc *nats.Conn, plugin string) error {
	if err := nc.Publish(streams.RestartSubject(plugin), nil); err != nil {
		return fmt.Errorf("restart plugin %s: %w", plugin, err)
	}
	return nc.Flush()
}

// Host runs plugins: in the bot's process or in one of their own, in the same
// way.
type Host struct {
	Bus     *streams.Bus
	Bucket  jetstream.KeyValue // of registrations; see router.OpenBucket
	Logger  *slog.Logger
	Observe func(consumers.Outcome) // is told of each delivery; may be nil
	Backoff []time.Duration         // between attempts at an event; consumers.DefaultBackoff when nil
	// Looked, if set, is called when a plugin reads the streams or asks what runs
	// (see Context.Streams), all but the registrations.
	Looked func()
	// Up, if set, is called each time that a plugin has begun to handle events and
	// to answer requests, and each time that it fails to.
	Up func()
}

// errRestart ends a run that is to start over.
var errRestart = errors.New("restart requested")

// Run keeps a plugin running until ctx ends: when it fails to start or ends
// otherwise, it is started again with backoff, and what it was doing is
// repeated from the stream. Only a plugin whose description is wrong makes Run
// return early.
func (h Host) Run(ctx context.Context, p Plugin) error {
	if err := p.Validate(); err != nil {
		return err
	}
	log := h.Logger.With("plugin", p.Name)
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = time.Second, time.Minute
	up := h.Up
	if up == nil {
		up = func() {}
	}
	var ran atomic.Bool
	h.Up = func() { ran.Store(true); up() }
	since := time.Now()
	for {
		started := time.Now()
		if ran.Load() {
			since = started
		}
		err := h.runOnce(ctx, p, since, log)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errRestart) {
			log.InfoContext(ctx, "plugin restarts")
			continue
		}
		if time.Since(started) > time.Minute {
			wait.Reset()
		}
		up()
		pause := wait.NextBackOff()
		log.ErrorContext(ctx, "plugin stopped, will start again", "error", err, "after", pause.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// runOnce runs the plugin until it ends. To what it never listened to before it
// listens from since on.
func (h Host) runOnce(ctx context.Context, p Plugin, since time.Time, log *slog.Logger) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	bus := h.Bus.As(Durable(p.Name))
	// First of all, so that commands wait for a plugin that fails to start.
	if _, err := router.Register(ctx, h.Bucket, p.Registration()); err != nil {
		return err
	}
	if err := h.start(ctx, bus, p, log); err != nil {
		return err
	}
	svc, err := h.serve(ctx, bus, p, log, func() { cancel(errRestart) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, svc.Stop()) }()
	log.InfoContext(ctx, "plugin runs", "version", p.Version)
	err = h.consume(ctx, bus, p, since, log)
	if cause := context.Cause(ctx); errors.Is(cause, errRestart) {
		return errRestart
	}
	return err
}

// start calls the plugin's own start, of which a panic is an error too.
func (h Host) start(ctx context.Context, bus *streams.Bus, p Plugin, log *slog.Logger) (err error) {
	if p.Start == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("start: panic: %v\n%s", v, debug.Stack())
		}
	}()
	ctx = propagation.WithCorrelation(ctx, event.NewCorrelationID())
	c := h.context(ctx, p, streams.Stored{At: consumers.Now(ctx)}, direct{bus, p.Name}, log)
	if err := p.Start(c); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return c.err
}

// serve makes the plugin a micro service, which answers its requests and shows
// in `nats micro ls` that this instance runs.
func (h Host) serve(ctx context.Context, bus *streams.Bus, p Plugin, log *slog.Logger, restart func()) (micro.Service, error) {
	svc, err := micro.AddService(bus.Conn(), micro.Config{
		Name: Durable(p.Name), Version: p.Version, Description: p.Description, Metadata: map[string]string{"plugin": p.Name},
	})
	if err != nil {
		return nil, fmt.Errorf("start service of %s: %w", p.Name, err)
	}
	asked := micro.HandlerFunc(func(r micro.Request) {
		// What the server itself says to a subject that somebody gave it for a
		// reply looks otherwise.
		if r.Subject() == streams.RestartSubject(p.Name) && len(r.Data()) == 0 && len(r.Headers()) == 0 {
			restart()
		}
	})
	err = svc.AddEndpoint("restart", asked,
		micro.WithEndpointSubject(streams.RestartSubject(p.Name)), micro.WithEndpointQueueGroupDisabled())
	for _, r := range p.Requests {
		if err != nil {
			break
		}
		name := strings.Join(append([]string{"request"}, r.tokens()...), "-")
		subject := event.RequestSubject(p.Name, r.tokens()...)
		answer := func(ctx context.Context, e event.Envelope) (any, error) {
			c := h.context(ctx, p, streams.Stored{Envelope: e, At: consumers.Now(ctx)}, direct{bus, p.Name}, log)
			reply, err := r.Handle(c)
			return reply, errors.Join(err, c.err)
		}
		err = svc.AddEndpoint(name, bus.Service(ctx, answer), micro.WithEndpointSubject(subject))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start service of %s: %w", p.Name, err), svc.Stop())
	}
	return svc, nil
}

// consume runs the plugin's durable consumers: the one of commands and of other
// events of its stream, and one more for each further stream it listens to.
func (h Host) consume(ctx context.Context, bus *streams.Bus, p Plugin, since time.Time, log *slog.Logger) error {
	subjects, err := p.subjects()
	if err != nil {
		return err
	}
	var opening atomic.Int64
	opening.Store(int64(len(subjects)))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(subjects))
	for stream, filters := range subjects {
		c := consumers.Config{
			Durable: Durable(p.Name), Stream: stream, Subjects: filters, Name: p.Name,
			Allow:   func(subject string) error { return event.Owned(p.Name, subject) },
			Backoff: h.Backoff, Logger: log, Observe: h.Observe,
			Since: since,
			Ready: func() {
				if opening.Add(-1) == 0 {
					h.Up()
				}
			},
		}
		if stream == streams.Plugin {
			// Commands wait for a plugin that has registered and never ran.
			c.Since = since.Add(-p.Registration().CommandMaxAge())
		}
		handler := h.handler(p, bus, log)
		go func() { ended <- consumers.Run(ctx, bus, c, handler) }()
	}
	err = <-ended
	cancel()
	for range len(subjects) - 1 {
		err = errors.Join(err, <-ended)
	}
	return err
}

// replies are the codes of errors that are an answer to the user.
var replies = []event.Code{event.InvalidInput, event.RecordNotFound, event.PermissionDenied, event.PluginError}

// handler is the plugin as a consumer's handler.
func (h Host) handler(p Plugin, bus *streams.Bus, log *slog.Logger) consumers.Handler {
	command := h.commands(p, log)
	command = consumers.Chain(command, consumers.Expire(Durable(p.Name), p.Name, p.Registration().CommandMaxAge()))
	return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		if d.Subject == event.CommandSubject(p.Name) {
			return command(ctx, d)
		}
		i := slices.IndexFunc(p.Events, func(s Subscription) bool { return matches(s.Subject, d.Subject) })
		if i < 0 {
			return nil, nil
		}
		sub := p.Events[i]
		if sub.MaxAge == 0 {
			sub.MaxAge = p.Registration().CommandMaxAge()
		}
		c := h.context(ctx, p, d, consumers.PublisherFrom(ctx), log)
		if sub.MaxAge != Never && c.Waited() > sub.MaxAge {
			log.InfoContext(ctx, "event passed over, it is too old", "subject", d.Subject, "event", d.Ref.String(), "age", c.Waited())
			return nil, nil
		}
		return c.result(sub.Handle(c))
	}
}

func (h Host) commands(p Plugin, log *slog.Logger) consumers.Handler {
	handlers := p.commandHandlers()
	return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		c := h.context(ctx, p, d, consumers.PublisherFrom(ctx), log)
		var err error
		if c.Command, err = event.As[event.Command](d.Envelope); err != nil {
			return nil, consumers.Permanent(err)
		}
		handle, ok := handlers[strings.ToLower(c.Command.Command)]
		if !ok {
			return nil, consumers.Permanent(event.Errorf(event.InvalidInput, "plugin %s has no command %q", p.Name, c.Command.Command))
		}
		log.InfoContext(ctx, "plugin processing", "command", c.Command.Command, "user", c.Command.User, "attempt", d.Attempt)
		out, err := c.result(handle(c))
		if code := event.CodeOf(err); c.err == nil && code != "" && slices.Contains(replies, code) {
			_ = streams.Fail(trace.SpanFromContext(ctx), err, event.PluginError)
			log.InfoContext(ctx, "command answered with an error", "command", c.Command.Command, "error_code", code, "error", err)
			answer, err := c.result(c.Say("❌ %s", err.Error()), nil)
			for i := range answer {
				answer[i] = answer[i].WithMeta(event.MetaErrorCode, string(code))
			}
			return answer, err
		}
		return out, err
	}
}

// result fails a handler that made an event which breaks the contract: doing so
// again would not mend it.
func (c *Context) result(out []event.Envelope, err error) ([]event.Envelope, error) {
	if c.err != nil {
		return nil, consumers.Permanent(c.err)
	}
	return out, err
}

func (h Host) context(ctx context.Context, p Plugin, d streams.Stored, publisher consumers.Publisher, log *slog.Logger) *Context {
	return &Context{
		Context: ctx, Event: d, Log: log, plugin: p.Name, publisher: publisher, reader: Reader{h.Bus, h.Looked},
	}
}

// direct publishes for a plugin outside of a durable's delivery, where there is
// no event whose repetition would have to be recognised.
type direct struct {
	*streams.Bus
	plugin string
}

func (d direct) Publish(ctx context.Context, e event.Envelope, opts ...streams.PublishOption) (streams.Ack, error) {
	if err := event.Owned(d.plugin, e.Subject); err != nil {
		return streams.Ack{}, err
	}
	return d.Bus.Publish(ctx, e, opts...)
}
