package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams"
)

// lifecycle publishes the bot's start, heartbeats and end (contract: Platform Events),
// and answers for its status.
type lifecycle struct {
	settings   Settings
	log        *slog.Logger
	began      time.Time
	bus        *streams.Bus
	server     *server
	channels   channels
	plugins    []string
	tracing    []string // where spans go
	registered readiness
	maintained func() error // why a stream takes no events
	started    []readiness  // the database and every plugin
	programs   *programs
}

// startTimeout limits how long the announcement of the start waits for plugins.
const startTimeout = 30 * time.Second

// stopTimeout limits how long the end waits for plugins to handle its announcement.
const stopTimeout = 5 * time.Second

// run announces the start once it is complete, then publishes heartbeats until ctx ends.
func (l *lifecycle) run(ctx context.Context) (err error) {
	svc, err := l.serveStatus(ctx)
	if err != nil {
		return fmt.Errorf("start the status service: %w", err)
	}
	defer func() { err = errors.Join(err, svc.Stop()) }()
	if err := l.awaitStart(ctx); err != nil {
		return nil
	}
	l.publish(ctx, event.SubjectStartup, event.Startup{Version: version.Semantic(), Plugins: l.plugins, Timestamp: unixSeconds(time.Now())})
	l.log.InfoContext(ctx, "rosey runs", "version", version.String(), "nats", l.server.url, "plugins", len(l.plugins), "tracing", l.tracing)
	tick := time.NewTicker(l.settings.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			l.publish(ctx, event.SubjectHeartbeat, event.Heartbeat{
				Timestamp: unixSeconds(now), Uptime: now.Sub(l.began).Seconds(), PluginsActive: l.activePlugins(ctx), NATSConnected: l.bus.Conn().IsConnected(),
			}, streams.WithTTL(streams.HeartbeatTTL))
		}
	}
}

// awaitStart waits for the registrations, and up to startTimeout for the database and
// the plugins. Its error is that of ctx.
func (l *lifecycle) awaitStart(ctx context.Context) error {
	if err := await(ctx, l.registered); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := await(waiting, l.started...); err != nil && ctx.Err() == nil {
		l.log.WarnContext(ctx, "not every plugin has started, going on without", "after", startTimeout)
	}
	return ctx.Err()
}

func (l *lifecycle) serveStatus(ctx context.Context) (micro.Service, error) {
	svc, err := micro.AddService(l.bus.Conn(), micro.Config{Name: "rosey", Version: version.Semantic(), Description: "The bot"})
	if err != nil {
		return nil, err
	}
	answer := micro.HandlerFunc(func(r micro.Request) {
		if err := r.RespondJSON(l.status(ctx)); err != nil {
			l.log.WarnContext(ctx, "status not sent", "error", err)
		}
	})
	if err := svc.AddEndpoint("status", answer, micro.WithEndpointSubject(statusSubject), micro.WithEndpointQueueGroupDisabled()); err != nil {
		return nil, errors.Join(err, svc.Stop())
	}
	return svc, nil
}

// activePlugins counts the plugins that run in any process and are not paused.
func (l *lifecycle) activePlugins(ctx context.Context) (running int) {
	list, err := host.Statuses(ctx, l.bus.Conn(), l.bus.JetStream())
	if err != nil {
		l.log.WarnContext(ctx, "plugins not counted", "error", err)
	}
	for _, p := range list {
		if p.State == host.StateRunning {
			running++
		}
	}
	return running
}

// stop announces the end with its cause, and gives the plugins that subscribe to
// the announcement the time to save what they must. ctx may have ended.
func (l *lifecycle) stop(ctx context.Context, cause error) {
	reason := "end_of_input"
	switch {
	case cause != nil:
		reason = "failed: " + cause.Error()
	case ctx.Err() != nil:
		reason = "user_requested"
	}
	ctx = context.WithoutCancel(ctx)
	publishing, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ref := l.publish(publishing, event.SubjectShutdown, event.Shutdown{Reason: reason, Timestamp: unixSeconds(time.Now())})
	if ref == (event.Ref{}) {
		return
	}
	handling, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := host.AwaitHandled(handling, l.bus.JetStream(), l.running(), event.SubjectShutdown, ref); err != nil {
		l.log.WarnContext(ctx, "shutdown not handled by every plugin, will be redelivered", "error", err)
	}
}

// running returns the plugins of this process, and those of the programs that it runs.
func (l *lifecycle) running() []string {
	names := slices.Clone(l.plugins)
	for _, p := range l.programs.states() {
		if p.State == process.Running {
			names = append(names, p.Plugin)
		}
	}
	return names
}

// publish stores an event, and returns the zero Ref where it could not.
func (l *lifecycle) publish(ctx context.Context, subject string, payload any, opts ...streams.PublishOption) event.Ref {
	var ack streams.Ack
	e, err := event.New(subject, payload)
	if err == nil {
		ack, err = l.bus.Publish(ctx, e, opts...)
	}
	if err != nil {
		l.log.WarnContext(ctx, "platform event not stored", "subject", subject, "error", err)
	}
	return ack.Ref
}

// ready returns what the bot still waits for before it does its work, or nil.
func (l *lifecycle) ready(ctx context.Context) error {
	select {
	case <-l.registered:
	default:
		return errors.New("the plugins' registrations are being read")
	}
	return cmp.Or(l.server.connected(ctx), l.maintained(), l.server.full(), l.channels.ready())
}

// alive returns nil while a restart of the process could mend nothing.
func (l *lifecycle) alive(context.Context) error {
	if l.settings.External() {
		return nil // an outage of the cluster
	}
	return l.bus.Conn().FlushTimeout(5 * time.Second)
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
