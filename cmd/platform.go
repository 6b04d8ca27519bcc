package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/synadia-io/orbit.go/natsext"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry"
)

// statusSubject is where a running bot says how it is. No stream captures it.
const statusSubject = "rosey.status"

// platform publishes the bot's own life (contract: Platform Events) and answers
// for its state.
type platform struct {
	bus           *streams.Bus
	cfg           settings.Settings
	log           *slog.Logger
	began         time.Time
	url           string
	plugins       []string
	tracing       []string
	full          func() error // says why nothing new is stored
	channels      channels
	registryReady chan struct{}
	started       chan struct{} // closed when the database and every plugin has started
}

// botStatus is the bot's answer on statusSubject.
type botStatus struct {
	Host      string   `json:"host"`
	PID       int      `json:"pid"`
	Version   string   `json:"version"`
	Uptime    float64  `json:"uptime"`    // seconds
	Site      string   `json:"site"`      // of the first channel, which gets the sends that name none
	Channel   string   `json:"channel"`   // the first
	Connected bool     `json:"connected"` // whether the bot is in the first channel
	Ready     bool     `json:"ready"`
	Problem   string   `json:"problem,omitempty"` // what it waits for when it is not ready
	Plugins   []string `json:"plugins"`
	NATS      string   `json:"nats"`
	Store     string   `json:"store,omitempty"`
	Tracing   []string `json:"tracing,omitempty"`

	Channels  []channelStatus `json:"channels"`
	Connector cytube.Stats    `json:"connector"` // of the first channel
}

// await waits for something to happen or for ctx to end.
func (p *platform) await(ctx context.Context, happened <-chan struct{}) error {
	select {
	case <-happened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// startLimit is how long the announcement of the start waits for plugins.
const startLimit = 30 * time.Second

// shutdownLimit is how long the end waits for plugins to handle its announcement.
const shutdownLimit = 5 * time.Second

// run announces the start once it is complete, then publishes heartbeats until ctx ends.
func (p *platform) run(ctx context.Context) (err error) {
	svc, err := micro.AddService(p.bus.Conn(), micro.Config{Name: "rosey", Version: semanticVersion(version()), Description: "The bot"})
	if err != nil {
		return fmt.Errorf("start the status service: %w", err)
	}
	defer func() { err = errors.Join(err, svc.Stop()) }()
	status := micro.HandlerFunc(func(r micro.Request) {
		if err := r.RespondJSON(p.status(ctx)); err != nil {
			p.log.WarnContext(ctx, "status was not sent", "error", err)
		}
	})
	if err := svc.AddEndpoint("status", status, micro.WithEndpointSubject(statusSubject), micro.WithEndpointQueueGroupDisabled()); err != nil {
		return fmt.Errorf("start the status service: %w", err)
	}
	if err := p.await(ctx, p.registryReady); err != nil {
		return nil
	}
	select {
	case <-p.started:
	case <-time.After(startLimit):
		p.log.WarnContext(ctx, "not every plugin has started yet; the bot goes on without", "after", startLimit)
	case <-ctx.Done():
		return nil
	}
	p.publish(ctx, event.SubjectStartup, event.Startup{Version: semanticVersion(version()), Plugins: p.plugins, Timestamp: unixSeconds(time.Now())})
	p.log.InfoContext(ctx, "rosey runs", "version", version(), "nats", p.url, "plugins", len(p.plugins), "tracing", p.tracing)
	tick := time.NewTicker(p.cfg.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			p.publish(ctx, event.SubjectHeartbeat, event.Heartbeat{
				Timestamp: unixSeconds(now), Uptime: now.Sub(p.began).Seconds(), PluginsActive: p.activePlugins(ctx), NATSConnected: p.bus.Conn().IsConnected(),
			}, streams.WithTTL(streams.HeartbeatTTL))
		}
	}
}

// activePlugins counts the plugins that run, anywhere: one that is paused does not.
func (p *platform) activePlugins(ctx context.Context) (running int) {
	list, err := host.Statuses(ctx, p.bus.Conn(), p.bus.JetStream())
	if err != nil {
		p.log.WarnContext(ctx, "plugins could not be counted", "error", err)
	}
	for _, pl := range list {
		if pl.State == host.StateRunning {
			running++
		}
	}
	return running
}

// goodbye announces the end, and gives the plugins that listen for it the time to
// save what they must.
func (p *platform) goodbye(ctx context.Context, reason string) {
	publishing, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ref := p.publish(publishing, event.SubjectShutdown, event.Shutdown{Reason: reason, Timestamp: unixSeconds(time.Now())})
	if ref == (event.Ref{}) {
		return
	}
	ctx, cancel = context.WithTimeout(ctx, shutdownLimit)
	defer cancel()
	if err := host.AwaitHandled(ctx, p.bus.JetStream(), p.plugins, event.SubjectShutdown, ref); err != nil {
		p.log.WarnContext(ctx, "not every plugin has handled the shutdown; what has not will when it is back", "error", err)
	}
}

// publish stores an event, and returns the zero Ref where it could not.
func (p *platform) publish(ctx context.Context, subject string, payload any, opts ...streams.PublishOption) event.Ref {
	var ack streams.Ack
	e, err := event.New(subject, payload)
	if err == nil {
		ack, err = p.bus.Publish(ctx, e, opts...)
	}
	if err != nil {
		p.log.WarnContext(ctx, "platform event was not stored", "subject", subject, "error", err)
	}
	return ack.Ref
}

func (p *platform) status(ctx context.Context) botStatus {
	host, _ := os.Hostname()
	s := botStatus{
		Host: host, PID: os.Getpid(), Version: version(), Uptime: time.Since(p.began).Seconds(), Channels: p.channels.statuses(),
		Plugins: p.plugins, NATS: p.url, Tracing: p.tracing,
	}
	first := s.Channels[0]
	s.Site, s.Channel, s.Connected, s.Connector = first.Site, first.Channel, first.Connected, first.Connector
	if !p.cfg.External() {
		s.Store = p.cfg.Store
	}
	if err := p.ready(ctx); err != nil {
		s.Problem = err.Error()
	} else {
		s.Problem = problemsOf(s.Channels)
	}
	s.Ready = s.Problem == ""
	return s
}

// ready returns what the bot still waits for before it does its work, or nil.
func (p *platform) ready(context.Context) error {
	select {
	case <-p.registryReady:
	default:
		return errors.New("the plugins' registrations are being read")
	}
	if !p.bus.Conn().IsConnected() {
		return errors.New("there is no connection to NATS")
	}
	if err := p.full(); err != nil {
		return err
	}
	return p.channels.ready()
}

// alive returns nil while the process can still reach its server.
func (p *platform) alive(context.Context) error {
	if p.cfg.External() {
		return nil // an outage of the cluster is not mended by a restart of the bot
	}
	return p.bus.Conn().FlushTimeout(5 * time.Second)
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// semanticVersion is a version as micro services want it and platform.startup has
// it: 1.0.0, where the release's tag is v1.0.0.
func semanticVersion(of string) string { return strings.TrimPrefix(of, "v") }

// observeStreams has every scrape look at the store, the streams, their consumers
// and what waits to be sent to each channel; queues has the channel of each consumer.
func observeStreams(m *telemetry.Metrics, js jetstream.JetStream, full func() error, queues map[string]string) error {
	return m.Observe(
		func() bool { return full() != nil },
		func(ctx context.Context) ([]telemetry.StreamState, error) { return streamStates(ctx, js) },
		func(ctx context.Context) ([]telemetry.ConsumerState, error) {
			list, err := consumerStates(ctx, js)
			for _, c := range list {
				if channel, ok := queues[c.Consumer]; ok {
					m.SendQueue(ctx, channel, int(c.Lag+c.Unacked))
				}
			}
			return list, err
		})
}

// serveMetrics adds the actor that serves /metrics, /healthz and /readyz.
func serveMetrics(add func(string, func(context.Context) error), address string, m *telemetry.Metrics, ready func(context.Context) error, log *slog.Logger) error {
	server, err := telemetry.Listen(address, m, ready)
	if err != nil {
		return fmt.Errorf("--metrics %s: %w", address, err)
	}
	log.Info("metrics are served", "url", "http://"+server.Addr()+"/metrics")
	add("metrics", server.Serve)
	return nil
}

func streamStates(ctx context.Context, js jetstream.JetStream) ([]telemetry.StreamState, error) {
	var list []telemetry.StreamState
	states, err := streams.States(ctx, js)
	for _, s := range states {
		list = append(list, telemetry.StreamState{Stream: s.Name, Messages: int64(s.Messages), Bytes: int64(s.Bytes), MaxBytes: s.MaxBytes})
	}
	return list, err
}

func consumerStates(ctx context.Context, js jetstream.JetStream) ([]telemetry.ConsumerState, error) {
	var list []telemetry.ConsumerState
	states, err := streams.Consumers(ctx, js)
	for _, c := range states {
		list = append(list, telemetry.ConsumerState{Stream: c.Stream, Consumer: c.Name, Lag: int64(c.Lag), Unacked: int64(c.Unacked)})
	}
	return list, err
}

// errNoAnswer says that no bot is connected to a server.
var errNoAnswer = errors.New("no bot runs on the server: start one with rosey run")

// askAll asks every bot on the server how it is: there is one on an embedded
// server, and as many as there are on a cluster.
func askAll(ctx context.Context, c *client) ([]botStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	answers, err := natsext.RequestMany(ctx, c.nc, statusSubject, nil, natsext.RequestManyStall(statusGap))
	if err != nil {
		return nil, fmt.Errorf("ask the bots for their status: %w", err)
	}
	var list []botStatus
	for msg, err := range answers {
		if errors.Is(err, nats.ErrNoResponders) {
			return list, nil
		}
		if err != nil {
			return list, fmt.Errorf("ask the bots for their status: %w", err)
		}
		var s botStatus
		if err := json.Unmarshal(msg.Data, &s); err != nil {
			return list, fmt.Errorf("read a bot's status: %w", err)
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b botStatus) int { return cmp.Or(strings.Compare(a.Host, b.Host), a.PID-b.PID) })
	return list, nil
}

// statusGap is how long to wait for one more bot to answer.
const statusGap = 300 * time.Millisecond

// askStatus asks a running bot how it is.
func askStatus(ctx context.Context, c *client) (botStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	reply, err := c.nc.RequestWithContext(ctx, statusSubject, nil)
	if errors.Is(err, nats.ErrNoResponders) {
		return botStatus{}, errNoAnswer
	}
	if err != nil {
		return botStatus{}, fmt.Errorf("ask the bot for its status: %w", err)
	}
	var s botStatus
	if err := json.Unmarshal(reply.Data, &s); err != nil {
		return botStatus{}, fmt.Errorf("read the bot's status: %w", err)
	}
	return s, nil
}
