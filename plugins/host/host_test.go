package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// plugin is a plugin named x with one command x.
func plugin(h plugins.Handler) plugins.Plugin {
	return plugins.Plugin{Name: "x", Version: "1.0.0", Commands: []plugins.Command{{Name: "x", Handle: h}}}
}

func hello(c *plugins.Context) ([]event.Envelope, error) { return c.Say("hello"), nil }

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for ctx := streamstest.Context(t); !ok(); {
		select {
		case <-ctx.Done():
			t.Fatalf("timed out waiting for %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func deadLetter(t *testing.T, channel *plugintest.Channel) event.DeadLetter {
	t.Helper()
	l, err := event.As[event.DeadLetter](channel.Emitted("plugin.x.event.dead_letter").Envelope)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A plugin whose Start fails is started again; commands stored meanwhile are handled.
func TestStartIsTriedAgain(t *testing.T) {
	t.Parallel()
	p := plugin(hello)
	failed, mend := make(chan struct{}), make(chan struct{})
	var attempts atomic.Int64
	p.Start = func(c *plugins.Context) error {
		switch attempts.Add(1) {
		case 1: // as it was when the channel opened
			return nil
		case 2:
			close(failed)
			<-mend
			panic("not yet")
		}
		return nil
	}
	channel := plugintest.Run(t, p)
	if _, err := host.Restart(t.Context(), channel.Bus.Conn(), "x"); err != nil {
		t.Fatal(err)
	}
	<-failed
	channel.Type("alice", 1, "!x")
	close(mend)
	if got := channel.Next(); got != "hello" || attempts.Load() != 3 {
		t.Errorf("it said %q after %d starts, want hello after 3", got, attempts.Load())
	}
}

// A plugin is registered before its first start, so that commands are stored for it.
func TestCommandsWaitForTheFirstStart(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t)
	var starts atomic.Int64
	p := plugin(hello)
	p.Start = func(c *plugins.Context) error {
		if starts.Add(1) == 1 {
			// The router may not have seen the registration yet.
			channel.Publish(event.CommandSubject("x"), event.Command{Command: "x", User: "alice", Channel: plugintest.ChannelName})
			if all, err := c.Streams().Registrations(c); err != nil || len(all) != 1 {
				t.Errorf("registered before the start: %v, %v", all, err)
			}
			return errors.New("not yet")
		}
		return nil
	}
	start(t, channel, p, nil)
	if got := channel.Next(); got != "hello" || starts.Load() != 2 {
		t.Errorf("it said %q after %d starts", got, starts.Load())
	}
}

// start runs a plugin in a host of its own, as another process would.
func start(t *testing.T, channel *plugintest.Channel, p plugins.Plugin, observe func(consumers.Outcome)) {
	t.Helper()
	kv, err := router.OpenBucket(t.Context(), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	h := host.Host{Bus: channel.Bus, Bucket: kv, Logger: slog.New(slog.DiscardHandler), Observe: observe}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx, p) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A handler that fails or panics is retried and its event finally dead-lettered; later
// commands are handled.
func TestFailuresAreRetriedAndThenDead(t *testing.T) {
	t.Parallel()
	var attempts atomic.Int64
	channel := plugintest.Run(t, plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		switch len(c.Command.Args) {
		case 0:
			return c.Say("fine"), nil
		case 1:
			attempts.Add(1)
			panic("on purpose")
		}
		if attempts.Add(1) == 5 {
			return c.Say("mended"), nil
		}
		return nil, errors.New("broken")
	}))
	channel.Type("alice", 1, "!x panic")
	l := deadLetter(t, channel)
	if l.Attempts != 3 || attempts.Load() != 3 || !strings.Contains(l.Error, "on purpose") || !strings.Contains(l.Stack, "host_test.go") || l.Subject != "plugin.x.command" {
		t.Errorf("after %d attempts: %+v", attempts.Load(), l)
	}
	if got := channel.Say("alice", "!x"); got != "fine" {
		t.Error(got)
	}
	if got := channel.Say("alice", "!x fails once"); got != "mended" {
		t.Error(got)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	started := make(chan string, 4)
	p := plugin(hello)
	p.Start = func(c *plugins.Context) error { started <- c.Event.Ref.String(); return nil }
	channel := plugintest.Run(t, p)
	<-started
	channel.Restart("x")
	<-started
	if got := channel.Say("alice", "!x"); got != "hello" {
		t.Error(got)
	}
}

// Events stored during a plugin's first start, even if that takes several attempts, are
// handled afterwards.
func TestFirstStartMissesNothing(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t)
	var starts atomic.Int64
	p := plugin(hello)
	p.Events = []plugins.Subscription{{Subject: event.SubjectStartup, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		return c.SayIn(plugintest.ChannelName, "good morning"), nil
	}}}
	p.Start = func(c *plugins.Context) error {
		if starts.Add(1) == 1 {
			channel.Publish(event.SubjectStartup, event.Startup{Version: "1.0.0", Plugins: []string{"x"}})
			return errors.New("not yet")
		}
		return nil
	}
	start(t, channel, p, nil)
	if got := channel.Next(); got != "good morning" {
		t.Errorf("it said %q", got)
	}
}

// A new plugin does not read the past.
func TestNewPluginBeginsNow(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t)
	for range 5 {
		channel.Type("alice", 1, "before")
	}
	seen := make(chan string, 16)
	p := plugin(hello)
	p.Events = []plugins.Subscription{{Subject: "cytube.chat", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		line, ok := c.Chat()
		seen <- fmt.Sprint(line.Message, ok)
		return nil, nil
	}}}
	ran := make(chan struct{}, 16)
	start(t, channel, p, func(consumers.Outcome) { ran <- struct{}{} })
	eventually(t, "the plugin", func() bool {
		_, err := channel.Bus.JetStream().Consumer(t.Context(), streams.Cytube, streams.Durable("x"))
		return err == nil
	})
	channel.Type("alice", 1, "after")
	if got := <-seen; got != "aftertrue" {
		t.Errorf("the first line it was given is %q", got)
	}
	<-ran
}

// Two hosts of one plugin share its commands: each is handled once, by either.
func TestTwoHostsShareTheWork(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs under load")
	const commands = 100
	counter := func(who *atomic.Int64) plugins.Plugin {
		return plugin(func(c *plugins.Context) ([]event.Envelope, error) {
			who.Add(1)
			var tally struct {
				N int `json:"n"`
			}
			return c.DB("tallies").Change("x", &tally, func() ([]event.Envelope, error) {
				tally.N++
				return c.Say("%s is number %d", c.Command.Args[0], tally.N), nil
			})
		})
	}
	var first, second atomic.Int64
	channel := plugintest.Run(t, counter(&first))
	start(t, channel, counter(&second), nil)
	// Once both ask for work, both get some.
	eventually(t, "the second host", func() bool {
		c, err := channel.Bus.JetStream().Consumer(t.Context(), streams.Plugin, streams.Durable("x"))
		return err == nil && c.CachedInfo().NumWaiting == 2
	})
	for i := range commands {
		channel.Type("alice", 1, fmt.Sprintf("!x c%d", i))
	}
	replies, numbers := map[string]bool{}, map[string]bool{}
	for range commands {
		command, number, _ := strings.Cut(channel.Next(), " is number ")
		replies[command], numbers[number] = true, true
	}
	channel.Settle("x")
	if said := len(channel.Said()); len(replies) != commands || len(numbers) != commands || said != commands {
		t.Errorf("%d commands gave %d replies to %d of them with %d numbers", commands, said, len(replies), len(numbers))
	}
	if a, b := first.Load(), second.Load(); a+b != commands || a == 0 || b == 0 {
		t.Errorf("one host handled %d, the other %d, of %d", a, b, commands)
	}
}

func TestRunRefusesAnInvalidPlugin(t *testing.T) {
	t.Parallel()
	p := plugin(hello)
	p.Version = "one"
	if err := (host.Host{Logger: slog.New(slog.DiscardHandler)}).Run(t.Context(), p); err == nil {
		t.Error("a plugin without a valid version runs")
	}
}

// The retry and the failure of a command are reported to its user.
// Neither is the handler's answer: a dry run of the same code makes no difference.
func TestUserIsToldOfFailures(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "waits for retries")
	broken := plugin(func(*plugins.Context) ([]event.Envelope, error) { panic("broken") })
	channel := plugintest.Run(t, broken)
	channel.Type("alice", 1, "!x 1 2")
	deadLetter(t, channel)
	channel.Settle("x")
	var told []event.SendChat
	for _, s := range channel.Stored(event.AllSends) {
		chat, err := event.As[event.SendChat](s.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, chat)
	}
	want := []event.SendChat{
		{Message: "alice: !x did not work yet, trying again", Channel: plugintest.ChannelName},
		{Message: "alice: !x failed, an operator can see why (rosey dead ls)", Channel: plugintest.ChannelName},
	}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("told %+v, want %+v", told, want)
	}
	past, err := dryrun.Record(t.Context(), channel.Bus.JetStream(), broken, replay.Filter{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range dryrun.Run(streamstest.Context(t), past, broken, dryrun.Options{}) {
		if err != nil || r.Status() != dryrun.Same {
			t.Errorf("the dry run: %+v, %v", r, err)
		}
	}
}

// A plugin whose registration is gone registers again while it runs.
func TestRegistrationIsKept(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "waits for the check of the registration")
	channel := plugintest.Run(t)
	p := plugin(hello)
	start(t, channel, p, nil)
	kv, err := router.OpenBucket(t.Context(), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	registered := func() bool { _, err := kv.Get(t.Context(), p.Name); return err == nil }
	eventually(t, "the registration", registered)
	if err := kv.Delete(t.Context(), p.Name); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the registration again", registered)
}

// The only process of a plugin takes what one that died held before what came later, and
// not after its ack_wait.
func TestExclusivePluginTakesWhatADeadProcessHeld(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t)
	p := plugin(func(c *plugins.Context) ([]event.Envelope, error) { return c.Say("%s", c.Command.Args[0]), nil })
	command := func(arg string) {
		channel.Publish(event.CommandSubject("x"), event.Command{Command: "x", Args: []string{arg}, User: "alice", Channel: plugintest.ChannelName})
	}
	ctx, cancel := context.WithCancel(t.Context())
	kv, err := router.OpenBucket(ctx, channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 1)
	h := host.Host{Bus: channel.Bus, Bucket: kv, Logger: slog.New(slog.DiscardHandler), OnStart: func(err error) { started <- err }}
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx, p) }()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ended
	c, err := channel.Bus.JetStream().Consumer(t.Context(), streams.Plugin, streams.Durable(p.Name))
	if err != nil {
		t.Fatal(err)
	}
	command("held")
	if msg, err := c.Next(); err != nil || msg == nil {
		t.Fatalf("not delivered: %v", err)
	}
	command("later")
	h.Exclusive, h.OnStart = true, nil
	running, stop := context.WithCancel(t.Context())
	go func() { ended <- h.Run(running, p) }()
	if first, second := channel.Next(), channel.Next(); first != "held" || second != "later" {
		t.Errorf("it said %q and %q", first, second)
	}
	stop()
	<-ended
}
