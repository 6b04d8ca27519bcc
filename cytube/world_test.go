package cytube_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

const lounge = "lounge"

// world is a site with a channel, a NATS server with the streams, and a bot that
// can be started and stopped.
type world struct {
	t    testing.TB
	ctx  context.Context
	site *cytubetest.Server
	nats *embedded.Server
	bus  *streams.Bus
	cfg  cytube.Config
	logs *logs

	replicas int // of its streams, on a cluster

	feed   <-chan *streams.Stored
	passed []streams.Stored // deliveries that a wait for something else read
}

func newWorld(t testing.TB, change ...func(*cytubetest.Config, *cytube.Config)) *world {
	t.Helper()
	siteCfg := cytubetest.Config{
		Accounts: []cytubetest.Account{{Name: "Rosey", Password: "rosey-pw"}, {Name: "mod", Password: "mod-pw"}, {Name: "alice", Password: "alice-pw"}},
		Channels: []cytubetest.Channel{{Name: lounge, Ranks: map[string]float64{"mod": 2}, Open: true}},
	}
	cfg := cytube.Config{
		Config: sender.Config{Channel: lounge}, User: "rosey", Password: "rosey-pw",
		RetryMin: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond, RetrySlow: 20 * time.Millisecond,
	}
	for _, c := range change {
		if c != nil {
			c(&siteCfg, &cfg)
		}
	}
	site, err := cytubetest.Start(siteCfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	if cfg.Site == "" {
		cfg.Site = site.URL()
	}
	w := &world{site: site, nats: streamstest.Server(t), cfg: cfg}
	w.bus = streamstest.Bus(t, w.nats)
	return w.in(t, cfg.Channel)
}

// in is the world of a test in one of the channels.
func (w *world) in(t testing.TB, channel string) *world {
	t.Helper()
	in := &world{t: t, ctx: streamstest.Context(t), site: w.site, nats: w.nats, bus: w.bus, cfg: w.cfg, logs: newLogs(t)}
	in.cfg.Channel, in.cfg.Logger = channel, slog.New(in.logs)
	in.feed = in.follow()
	return in
}

// follow gives the events of CYTUBE as they are stored.
func (w *world) follow() <-chan *streams.Stored {
	w.t.Helper()
	feed := make(chan *streams.Stored, 10_000)
	sub, err := w.bus.Subscribe(w.ctx, event.AllCytube, func(_ context.Context, s streams.Stored) { feed <- &s })
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(sub.Stop)
	return feed
}

// bot is a running Connector.
type bot struct {
	*cytube.Connector
	cancel context.CancelFunc
	done   chan error
}

// start runs a bot until the test ends or stop is called.
func (w *world) start(change ...func(*cytube.Config)) *bot {
	w.t.Helper()
	cfg := w.cfg
	for _, c := range change {
		c(&cfg)
	}
	return w.run(cytube.New(w.bus, cfg))
}

// run runs a bot of the test's own making. As in production its context has no deadline, up
// to which it would wait for the answer to a request.
func (w *world) run(c *cytube.Connector) *bot {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.ctx))
	b := &bot{Connector: c, cancel: cancel, done: make(chan error, 1)}
	go func() { b.done <- b.Run(ctx) }()
	w.t.Cleanup(func() { _ = b.stop() })
	return b
}

// mortal starts a bot on a NATS connection of its own, so that it can be killed,
// and waits until it is in the channel.
func (w *world) mortal() (kill func()) {
	w.t.Helper()
	nc := streamstest.Connect(w.t, w.nats)
	js, err := jetstream.New(nc)
	w.ok(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.ctx))
	b := cytube.New(streams.NewBus(nc, js), w.cfg)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.Run(ctx)
	}()
	w.t.Cleanup(func() { cancel(); <-done })
	w.connection(event.StateUp)
	return func() {
		w.t.Helper()
		nc.Close() // from here on it records and acknowledges nothing
		cancel()
		w.ok(w.site.WaitGone(w.ctx, w.cfg.Channel, w.cfg.User))
	}
}

// join starts a bot and waits until it is in the channel.
func (w *world) join(change ...func(*cytube.Config)) *bot {
	w.t.Helper()
	b := w.start(change...)
	w.connection(event.StateUp)
	return b
}

// logged returns a function that waits until something is logged that was not
// when logged was called.
func (w *world) logged(message string) (wait func()) {
	c := w.logs.next(message)
	return func() {
		w.t.Helper()
		select {
		case <-c:
		case <-w.ctx.Done():
			w.t.Fatalf("not logged: %s", message)
		}
	}
}

func (b *bot) stop() error {
	b.cancel()
	err := <-b.done
	b.done <- err
	return err
}

// failed waits for Run to end by itself and gives its error.
func (w *world) failed(b *bot) *cytube.PermanentError {
	w.t.Helper()
	select {
	case err := <-b.done:
		b.done <- err
		permanent, ok := errors.AsType[*cytube.PermanentError](err)
		if !ok {
			w.t.Fatalf("Run returned %v, not a permanent error", err)
		}
		return permanent
	case <-w.ctx.Done():
		w.t.Fatal("Run did not end")
		return nil
	}
}

// await reads events until one matches.
func (w *world) await(what string, match func(streams.Stored) bool) streams.Stored {
	w.t.Helper()
	for {
		select {
		case s := <-w.feed:
			if match(*s) {
				return *s
			}
			if s.Subject == event.SubjectDelivery {
				w.passed = append(w.passed, *s)
			}
		case <-w.ctx.Done():
			w.t.Fatalf("no event: %s", what)
		}
	}
}

func (w *world) connection(state string) event.Connection {
	w.t.Helper()
	s := w.await("connection "+state, func(s streams.Stored) bool {
		c, err := event.As[event.Connection](s.Envelope)
		return s.Subject == event.SubjectConnection && err == nil && c.State == state
	})
	c, _ := event.As[event.Connection](s.Envelope)
	return c
}

// heard waits for a line of chat with that text.
func (w *world) heard(text string) streams.Stored {
	w.t.Helper()
	return w.await("chat "+text, func(s streams.Stored) bool {
		return s.Subject == event.SubjectChat && field[string](s, "message") == text
	})
}

func field[T any](s streams.Stored, name string) T {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(s.Data, &m)
	var v T
	_ = json.Unmarshal(m[name], &v)
	return v
}

// send publishes a cytube.send.* event.
func (w *world) send(subject string, payload any) streams.Ack {
	w.t.Helper()
	e, err := event.New(subject, payload)
	if err != nil {
		w.t.Fatal(err)
	}
	e.CorrelationID = event.NewCorrelationID()
	ack, err := w.bus.Publish(w.ctx, e)
	if err != nil {
		w.t.Fatal(err)
	}
	return ack
}

func (w *world) chat(text string) streams.Ack {
	w.t.Helper()
	return w.send(event.SubjectSendChat, event.SendChat{Message: text, Channel: w.cfg.Channel})
}

// user joins the channel.
func (w *world) user(name string) *cytubetest.User {
	w.t.Helper()
	u, err := cytubetest.Join(w.ctx, w.site.URL(), w.cfg.Channel, name, map[string]string{"alice": "alice-pw", "mod": "mod-pw"}[name])
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(u.Close)
	return u
}

// joined lets a user join, and waits until that is recorded.
func (w *world) joined(name string) *cytubetest.User {
	w.t.Helper()
	u := w.user(name)
	w.await(name, func(s streams.Stored) bool {
		return s.Subject == event.SubjectUserJoin && field[string](s, "user") == name
	})
	return u
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// stored reads all that a subject holds. A cluster that has just started leaves a request
// unanswered.
func (w *world) stored(subject string) []streams.Stored {
	w.t.Helper()
	all, err := retry.Value(w.ctx, jsapi.RetryUnavailable(0, nil), func(ctx context.Context) (all []streams.Stored, err error) {
		ctx, cancel := context.WithTimeout(ctx, streams.DefaultTimeout)
		defer cancel()
		for raw, err := range streams.Messages(ctx, w.bus.JetStream(), streams.Selection{Stream: streams.Cytube, Subjects: []string{subject}}) {
			if err != nil {
				return nil, err
			}
			got, err := streams.ReadRaw(streams.Cytube, raw)
			if err != nil {
				return nil, err
			}
			all = append(all, got)
		}
		return all, nil
	})
	w.ok(err)
	return all
}
