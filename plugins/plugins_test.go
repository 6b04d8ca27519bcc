package plugins_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

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
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func deadLetter(t *testing.T, room *plugintest.Room) event.DeadLetter {
	t.Helper()
	l, err := event.As[event.DeadLetter](room.Emitted("plugin.x.event.dead_letter").Envelope)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A plugin whose start fails, with an error or a panic, is started again; the
// commands that came meanwhile wait for it.
func TestStartIsTriedAgain(t *testing.T) {
	t.Parallel()
	p := plugin(hello)
	failed, mend := make(chan struct{}), make(chan struct{})
	var attempts atomic.Int64
	p.Start = func(c *plugins.Context) error {
		switch attempts.Add(1) {
		case 1: // as it was when the room opened
			return nil
		case 2:
			close(failed)
			<-mend
			panic("not yet")
		}
		return nil
	}
	room := plugintest.Run(t, p)
	if err := plugins.Restart(room.Bus.Conn(), "x"); err != nil {
		t.Fatal(err)
	}
	<-failed
	room.Type("alice", 1, "!x")
	close(mend)
	if got := room.Next(); got != "hello" || attempts.Load() != 3 {
		t.Errorf("it said %q after %d starts, want hello after 3", got, attempts.Load())
	}
}

// A plugin that has never run is registered before it starts, so that its first
// commands wait for it.
func TestCommandsWaitForTheFirstStart(t *testing.T) {
	t.Parallel()
	room := plugintest.Run(t)
	var starts atomic.Int64
	p := plugin(hello)
	p.Start = func(c *plugins.Context) error {
		if starts.Add(1) == 1 {
			// The router learns of the registration by watching it, so the
			// command is put where it would put it.
			room.Publish(event.CommandSubject("x"), event.Command{Command: "x", User: "alice", Channel: plugintest.Channel})
			if all, err := c.Streams().Plugins(c); err != nil || len(all) != 1 {
				t.Errorf("registered before the start: %v, %v", all, err)
			}
			return errors.New("not yet")
		}
		return nil
	}
	host(t, room, p, nil)
	if got := room.Next(); got != "hello" || starts.Load() != 2 {
		t.Errorf("it said %q after %d starts", got, starts.Load())
	}
}

// host runs a plugin in a host of its own, as another process would.
func host(t *testing.T, room *plugintest.Room, p plugins.Plugin, observe func(consumers.Outcome)) {
	t.Helper()
	kv, err := router.OpenBucket(t.Context(), room.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	h := plugins.Host{Bus: room.Bus, Bucket: kv, Logger: slog.New(slog.DiscardHandler), Observe: observe}
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

// A handler that fails or panics is tried again and at last given up on; the
// commands behind are handled all the same.
func TestFailuresAreRetriedAndThenDead(t *testing.T) {
	t.Parallel()
	var attempts atomic.Int64
	room := plugintest.Run(t, plugin(func(c *plugins.Context) ([]event.Envelope, error) {
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
	room.Type("alice", 1, "!x panic")
	l := deadLetter(t, room)
	if l.Attempts != 3 || attempts.Load() != 3 || !strings.Contains(l.Error, "on purpose") || !strings.Contains(l.Stack, "plugins_test.go") || l.Subject != "plugin.x.command" {
		t.Errorf("after %d attempts: %+v", attempts.Load(), l)
	}
	if got := room.Say("alice", "!x"); got != "fine" {
		t.Error(got)
	}
	if got := room.Say("alice", "!x fails once"); got != "mended" {
		t.Error(got)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	started := make(chan string, 4)
	p := plugin(hello)
	p.Start = func(c *plugins.Context) error { started <- c.Event.Ref.String(); return nil }
	room := plugintest.Run(t, p)
	<-started
	room.Restart("x")
	<-started
	if got := room.Say("alice", "!x"); got != "hello" {
		t.Error(got)
	}
}

// What happens while a plugin starts for the first time, be it the start of the
// bot itself, it handles once it has started, also where that takes several tries.
func TestFirstStartMissesNothing(t *testing.T) {
	t.Parallel()
	room := plugintest.Run(t)
	var starts atomic.Int64
	p := plugin(hello)
	p.Events = []plugins.Subscription{{Subject: event.SubjectStartup, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		return c.SayIn(plugintest.Channel, "good morning"), nil
	}}}
	p.Start = func(c *plugins.Context) error {
		if starts.Add(1) == 1 {
			room.Publish(event.SubjectStartup, event.Startup{Version: "1.0.0", Plugins: []string{"x"}})
			return errors.New("not yet")
		}
		return nil
	}
	host(t, room, p, nil)
	if got := room.Next(); got != "good morning" {
		t.Errorf("it said %q", got)
	}
}
