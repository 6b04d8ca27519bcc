// Package host runs plugins: it registers them, consumes their events, answers
// their requests, and starts them again after a failure.
package host

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// Host runs plugins, in the bot's process or in one of their own.
type Host struct {
	Bus    *streams.Bus
	Bucket jetstream.KeyValue // of registrations; see router.OpenBucket
	// Settings holds the plugins' settings; nil leaves all at their defaults.
	Settings *pluginsettings.Store
	Logger   *slog.Logger
	// Backoff is the wait before each further attempt at an event;
	// consumers.DefaultBackoff if nil.
	Backoff []time.Duration
	// Restricted says that the connection uses the plugin's own credentials.
	Restricted bool
	// Exclusive says that no other process runs the plugin when Run begins; see
	// consumers.Config.
	Exclusive bool
	// Prefix, if set, returns what commands begin with in a channel.
	Prefix func(channel string) string
	// Observe, if set, is called after each delivery was acked, nacked or terminated.
	Observe func(consumers.Outcome)
	// OnRead, if set, is called when a plugin reads streams or the state of
	// consumers and instances (see plugins.Reader), but not for registrations.
	OnRead func()
	// OnStart, if set, is called each time that a plugin has started to consume
	// events and answer requests, and with the error each time that it stopped or
	// failed to start.
	OnStart func(error)
}

// errRestart ends a run because a restart was requested.
var errRestart = errors.New("restart requested")

// supervision is the policy by which a stopped plugin is started again.
var supervision = retry.Policy{Initial: time.Second, Max: time.Minute, ResetAfter: time.Minute}

// Run runs a plugin until ctx ends. When the plugin stops or fails to start, Run
// starts it again with backoff, and its events are redelivered. Run returns an error
// only if the plugin's description is invalid.
func (h Host) Run(ctx context.Context, p plugins.Plugin) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if h.OnStart == nil {
		h.OnStart = func(error) {}
	}
	r := run{Host: h, plugin: p, registration: p.Registration(), log: h.Logger.With("plugin", p.Name)}
	r.bus = h.Bus.As(streams.Durable(p.Name))
	policy := supervision
	policy.Notify = func(err error, wait time.Duration) {
		h.OnStart(err)
		r.log.ErrorContext(ctx, "plugin stopped, restarting", "error", err, "after", wait.Round(time.Millisecond))
	}
	// A plugin that never ran reads what was stored since its first attempt to start.
	r.since = time.Now()
	_ = retry.Do(ctx, policy, func(ctx context.Context) error {
		for {
			err := r.once(ctx)
			if !errors.Is(err, errRestart) || ctx.Err() != nil {
				return err
			}
			r.log.InfoContext(ctx, "plugin restarting")
		}
	})
	return nil
}

// A run is one plugin under supervision.
type run struct {
	Host
	plugin       plugins.Plugin
	registration router.Registration
	bus          *streams.Bus
	log          *slog.Logger
	since        time.Time // where consumers begin that have no checkpoint
	limits       limits
}

func (h Host) runtime(p plugins.Plugin, bus *streams.Bus) plugins.Runtime {
	return plugins.Runtime{
		Plugin: p, Publisher: publisher{bus, p.Name}, Reader: reader{h.Bus, h.OnRead, h.Settings}, Settings: notedSettings{h.Settings}, Logger: h.Logger.With("plugin", p.Name),
		Register: func(ctx context.Context, commands []router.Command) error {
			return router.SetCustom(ctx, h.Bucket, p.Name, commands)
		},
		Prefix: h.Prefix,
	}
}

// once runs the plugin until it stops.
func (r *run) once(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Registered first, so that commands for a plugin that fails to start are kept.
	if _, err := router.Register(ctx, r.Bucket, r.registration); err != nil {
		return err
	}
	if r.limits, err = r.readLimits(ctx); err != nil {
		return err
	}
	if err := r.limits.reads(r.plugin); err != nil {
		return err
	}
	runtime := r.runtime(r.plugin, r.bus)
	runtime.Publisher, runtime.Reader = limited{runtime.Publisher, r.limits}, limitedReader{runtime.Reader, r.limits}
	if err := r.project(ctx, runtime); err != nil {
		return err
	}
	if err := runtime.Start(ctx); err != nil {
		return err
	}
	svc, err := serve(ctx, r.bus, runtime, func() { cancel(errRestart) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, svc.Stop()) }()
	var keeping sync.WaitGroup
	keeping.Go(func() { r.keepRegistered(ctx) })
	defer func() { cancel(nil); keeping.Wait() }()
	r.log.InfoContext(ctx, "plugin runs", "version", r.plugin.Version)
	err = r.consume(ctx, runtime)
	r.Exclusive = false // the process has settled since what others held
	if errors.Is(context.Cause(ctx), errRestart) {
		return errRestart
	}
	return err
}

// consume runs the plugin's durable consumers, one or two a stream, until one of them ends.
func (r *run) consume(ctx context.Context, runtime plugins.Runtime) error {
	configs, err := r.consumers(runtime)
	if err != nil {
		return err
	}
	var opening atomic.Int64
	opening.Store(int64(len(configs)))
	ready := func() {
		if opening.Add(-1) == 0 {
			r.OnStart(nil)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(configs))
	live := consumers.Chain(runtime.Handler(), keepExchanges(r.bus, r.plugin.Name, r.log), r.limits.keep)
	for _, c := range configs {
		c.Ready = ready
		handler := live
		if c.FromFirst {
			handler, c.Flush = runtime.Past()
			handler = consumers.Chain(handler, r.limits.keep)
		}
		go func() { ended <- consumers.Run(ctx, r.bus, c, handler) }()
	}
	err = <-ended
	cancel()
	for range len(configs) - 1 {
		err = errors.Join(err, <-ended)
	}
	return err
}

// consumers returns the plugin's durable consumers: on each stream one for what is stored
// from now on, and one for what is read from the first event.
func (r *run) consumers(runtime plugins.Runtime) (configs []consumers.Config, err error) {
	name := r.plugin.Name
	common := consumers.Config{Name: name, Exclusive: r.Exclusive, Allow: r.limits.publish, Backoff: r.Backoff, Logger: r.log}
	live, err := r.plugin.SubjectsByStream()
	if err != nil {
		return nil, err
	}
	for stream, filters := range live {
		c := common
		c.Durable, c.Stream, c.Subjects, c.Since = streams.Durable(name), stream, filters, r.since
		c.Key, c.NotifyUser, c.Words, c.Observe = runtime.Key(), true, runtime.Words, r.Observe
		if stream == streams.Plugin {
			// Includes commands typed after the plugin registered and before it ever ran.
			c.Since = r.since.Add(-r.plugin.CommandMaxAge())
		}
		configs = append(configs, c)
	}
	past, err := r.plugin.PastSubjectsByStream()
	if err != nil {
		return nil, err
	}
	for stream, filters := range past {
		c := common
		c.Durable, c.Stream, c.Subjects = streams.PastDurable(name), stream, filters
		c.FromFirst, c.Batch, c.Source = true, plugins.PastBatch, streams.Durable(name)
		configs = append(configs, c)
	}
	return configs, nil
}

// Handlers returns the handler of a plugin's events and that of its subscriptions FromFirst,
// for callers that deliver events themselves. They publish through their context's
// publisher; see consumers.WithPublisher.
func (h Host) Handlers(p plugins.Plugin) (live, past consumers.Handler) {
	r := h.runtime(p, h.Bus.As(streams.Durable(p.Name)))
	return r.Handler(), r.PastAtOnce()
}

// Serve starts a plugin and answers its requests until stop is called. It consumes
// no events.
func (h Host) Serve(ctx context.Context, p plugins.Plugin) (stop func() error, err error) {
	bus := h.Bus.As(streams.Durable(p.Name))
	runtime := h.runtime(p, bus)
	ctx, cancel := context.WithCancel(ctx)
	if err := runtime.Start(ctx); err != nil {
		cancel()
		return nil, err
	}
	svc, err := serve(ctx, bus, runtime, func() {})
	if err != nil {
		cancel()
		return nil, err
	}
	return func() error { cancel(); return svc.Stop() }, nil
}
