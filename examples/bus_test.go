// Package examples_test runs the plugins of this folder, which are written in
// other languages, against a bot's bus.
package examples_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// timeout is how long a test waits for a plugin's process.
const timeout = 4 * time.Minute

// bus is what a bot offers to plugins: the server, the router, the database.
type bus struct {
	*streams.Bus
	t        *testing.T
	store    string
	env      []string
	registry *router.Registry
	events   chan streams.Stored
}

func newBus(t *testing.T) *bus {
	t.Helper()
	store := t.TempDir()
	server := streamstest.ServerOn(t, store)
	b := &bus{Bus: streamstest.Bus(t, server), t: t, store: store, events: make(chan streams.Stored, 1024)}
	b.env = append(os.Environ(), "NATS_URL="+server.Info().URL)
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	kv, err := router.OpenBucket(ctx, b.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	records, err := kvstore.NewStore(b.JetStream())
	if err != nil {
		t.Fatal(err)
	}
	db := service.New(b.Conn(), records, service.Options{})
	if err := db.Start(); err != nil {
		t.Fatal(err)
	}
	b.registry = router.NewRegistry("!", log)
	router := router.Router{Registry: b.registry, Prefix: "!", IsBot: func(_, user string) bool { return user == "rosey" }, Logger: log}
	var running sync.WaitGroup
	for _, run := range []func() error{
		func() error { return b.registry.Watch(ctx, b.JetStream(), kv, nil, func() {}) },
		func() error { return consumers.Run(ctx, b.Bus, router.Config(), router.Handle) },
		func() error { return access.NewProvisioner(b.Bus, log).Serve(ctx) },
	} {
		running.Go(func() {
			if err := run(); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	b.await("the gateway", func() bool {
		probe := nats.NewMsg("rosey.warden.coin.cancel-timer")
		probe.Header.Set("Rosey-Timer", "none")
		_, err := b.Conn().RequestMsg(probe, time.Second)
		return err == nil
	})
	subs := []*streams.Subscription{}
	for _, pattern := range []string{event.AllSends, event.EventSubject("*", ">")} {
		sub, err := b.Subscribe(ctx, pattern, func(_ context.Context, s streams.Stored) { b.events <- s })
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, sub)
	}
	t.Cleanup(func() {
		for _, s := range subs {
			s.Stop()
		}
		cancel()
		running.Wait()
		if err := db.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// credentials gives a plugin what rosey plugin creds does: the plugins of this
// folder need no more.
func (b *bus) credentials(plugin string) string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), plugin+".creds")
	if err := access.WriteCredentials(b.t.Context(), b.JetStream(), b.store, plugin, path); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// start runs a plugin's program and returns once its consumer asks for commands.
// It is stopped, as a user would stop it, by the returned function or at last
// when the test ends.
func (b *bus) start(plugin, dir string, env []string, command ...string) (stop func()) {
	b.t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.Env = append(append(b.env, "NATS_CREDS="+b.credentials(plugin)), env...)
	cmd.WaitDelay = timeout
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = sync.OnceFunc(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			b.t.Error(err)
		}
		select {
		case err := <-ended:
			if err != nil {
				b.t.Errorf("%s ended with %v:\n%s", plugin, err, out.String())
			}
		case <-time.After(timeout):
			_ = cmd.Process.Kill()
			<-ended
			b.t.Errorf("%s did not stop:\n%s", plugin, out.String())
		}
	})
	b.t.Cleanup(stop)
	b.await(plugin+" to run", func() bool {
		select {
		case err := <-ended:
			ended <- err
			b.t.Fatalf("%s ended: %v\n%s", plugin, err, out.String())
		default:
		}
		c, err := b.JetStream().Consumer(b.t.Context(), streams.Plugin, streams.Durable(plugin))
		registered := slices.ContainsFunc(b.registry.Plugins(), func(r router.Registration) bool { return r.Name == plugin })
		return err == nil && c.CachedInfo().NumWaiting > 0 && registered
	})
	b.await(plugin+" to be listed as running", func() bool {
		list, err := host.Statuses(b.t.Context(), b.Conn(), b.JetStream())
		return err == nil && slices.ContainsFunc(list, func(s host.Status) bool {
			return s.Name == plugin && s.State == host.StateRunning && s.Processes == 1
		})
	})
	return stop
}

func (b *bus) await(what string, ok func() bool) {
	b.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(timeout)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			b.t.Fatalf("timed out waiting for %s", what)
		}
	}
}

// publish stores an event in a conversation of its own.
func (b *bus) publish(subject string, payload any) streams.Stored {
	b.t.Helper()
	e, err := event.New(subject, payload)
	if err != nil {
		b.t.Fatal(err)
	}
	e.CorrelationID = event.NewCorrelationID()
	ack, err := b.Publish(b.t.Context(), e)
	if err != nil {
		b.t.Fatal(err)
	}
	return streams.Stored{Envelope: e, Ref: ack.Ref}
}

// say types a line of chat.
func (b *bus) say(line string) streams.Stored {
	b.t.Helper()
	return b.publish(event.SubjectChat, event.Chat{User: "alice", Message: line, Channel: "test", Rank: 1, Time: time.Now().UnixMilli()})
}

// next waits for the next event on a subject.
func (b *bus) next(subject string) streams.Stored {
	b.t.Helper()
	for {
		select {
		case s := <-b.events:
			if s.Subject == subject {
				return s
			}
		case <-time.After(timeout):
			b.t.Fatalf("timed out waiting for %s", subject)
		}
	}
}

// stored is every event that a pattern matches.
func (b *bus) stored(pattern string) (all []streams.Stored) {
	b.t.Helper()
	for e, err := range replay.Read(b.t.Context(), b.JetStream(), replay.Query{Filter: replay.Filter{Subjects: []string{pattern}}}) {
		if err != nil {
			b.t.Fatal(err)
		}
		s, _ := e.Decode()
		all = append(all, s)
	}
	return all
}

// repeat hands a plugin its last event again, as after a crash before the
// acknowledgement, and waits until that is done.
func (b *bus) repeat(plugin string) {
	b.t.Helper()
	var last uint64
	settled := func() bool {
		c, err := b.JetStream().Consumer(b.t.Context(), streams.Plugin, streams.Durable(plugin))
		if err != nil {
			return false
		}
		info := c.CachedInfo()
		last = info.Delivered.Stream
		return info.NumWaiting > 0 && info.NumPending == 0 && info.NumAckPending == 0
	}
	b.await(plugin+" to be done", settled)
	if _, err := b.JetStream().ResetConsumerToSequence(b.t.Context(), streams.Plugin, streams.Durable(plugin), last); err != nil {
		b.t.Fatal(err)
	}
	b.await(plugin+" to be done again", settled)
}

// check holds a reply to what the contract asks of it: the conversation of the
// line that caused it, the command as its cause, and an id that a repeat has too.
func (b *bus) check(reply, line streams.Stored, plugin string) {
	b.t.Helper()
	if err := reply.Validate(); err != nil {
		b.t.Error(err)
	}
	if reply.CorrelationID != line.CorrelationID || reply.Header.Get(propagation.HeaderCorrelation) != line.CorrelationID {
		b.t.Errorf("the reply's conversation is %q and %q, the line's %q", reply.CorrelationID, reply.Header.Get(propagation.HeaderCorrelation), line.CorrelationID)
	}
	commands := b.stored(event.CommandSubject(plugin))
	command := commands[len(commands)-1]
	if cause, ok := reply.Causation(); !ok || cause != command.Ref {
		b.t.Errorf("the reply's cause is %s, want %s", cause, command.Ref)
	}
	if got, want := reply.Header.Get("Nats-Msg-Id"), streams.Durable(plugin)+"/"+command.Ref.String()+"/1"; got != want {
		b.t.Errorf("the reply's Nats-Msg-Id is %q, want %q", got, want)
	}
	if reply.Meta(event.MetaSource) != streams.Durable(plugin) {
		b.t.Errorf("the reply's source is %q", reply.Meta(event.MetaSource))
	}
}

// retried checks that a plugin handles a retried dead letter that is its own, and
// leaves alone one that is another consumer's.
func (b *bus) retried(plugin, command string) {
	b.t.Helper()
	retry := func(consumer string) streams.Stored {
		e, err := event.New(event.CommandSubject(plugin), event.Command{Command: command, Args: []string{}, User: "alice", Channel: "test", Rank: 1, RawMessage: "!" + command})
		if err != nil {
			b.t.Fatal(err)
		}
		e.CorrelationID = event.NewCorrelationID()
		e = e.WithMeta(event.MetaRetryFor, consumer)
		ack, err := b.Publish(b.t.Context(), e)
		if err != nil {
			b.t.Fatal(err)
		}
		return streams.Stored{Envelope: e, Ref: ack.Ref}
	}
	retry("plugin-another")
	own := retry(streams.Durable(plugin))
	if reply := b.next(event.SubjectSendChat); reply.CorrelationID != own.CorrelationID {
		b.t.Error("a dead letter of another consumer was answered")
	}
}

func message(t *testing.T, s streams.Stored) string {
	t.Helper()
	chat, err := event.As[event.SendChat](s.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	return chat.Message
}

// need skips a test on a machine that lacks what it runs, but not in CI, where
// a skipped test would hide that it never ran.
func need(t *testing.T, missing error, reason string) {
	t.Helper()
	switch {
	case missing == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s: %v", reason, missing)
	default:
		t.Skipf("%s: %v", reason, missing)
	}
}
