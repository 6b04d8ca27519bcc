package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams"
)

// heard is a record of the lines that a plugin was given, in their order.
type heard struct {
	Lines []string `json:"lines"`
	Asked int      `json:"asked"` // how often the command x was typed
}

// listener is a plugin named x that keeps every line since the first, and says so.
func listener(maxAge time.Duration, before func(line string) error) plugins.Plugin {
	p := plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		var h heard
		return c.DB("heard").Change("all", &h, func() ([]event.Envelope, error) { h.Asked++; return c.Say("hello"), nil })
	})
	p.Events = []plugins.Subscription{{Subject: event.SubjectChat, FromFirst: true, MaxAge: maxAge, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		line, ok := c.Chat()
		if !ok || strings.HasPrefix(line.Message, "!") {
			return nil, nil
		}
		if err := before(line.Message); err != nil {
			return nil, err
		}
		if err := c.After(time.Hour, line.Message, "timer", nil); err != nil {
			return nil, err
		}
		var h heard
		return c.DB("heard").Change("all", &h, func() ([]event.Envelope, error) {
			h.Lines = append(h.Lines, line.Message)
			return c.Say("heard %s", line.Message), nil
		})
	}}}
	return p
}

// lines types lines a, b, … that are not commands and returns them.
func lines(channel *plugintest.Channel, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("line-%d", i))
		channel.Type("alice", 1, all[i])
	}
	return all
}

// keeps waits until the plugin has kept exactly these lines.
func keeps(t *testing.T, channel *plugintest.Channel, want []string, asked int) {
	t.Helper()
	var h struct{ Data heard }
	eventually(t, fmt.Sprintf("%d lines", len(want)), func() bool {
		raw, err := channel.Request(event.SubjectGet, event.Get{Collection: "heard", ID: "all"})
		return err == nil && json.Unmarshal(raw, &h) == nil && len(h.Data.Lines) >= len(want)
	})
	if !slices.Equal(h.Data.Lines, want) || h.Data.Asked != asked {
		t.Errorf("it kept %q and %d commands, want %q and %d", h.Data.Lines, h.Data.Asked, want, asked)
	}
}

// A plugin that is new, or new to the past, reads it from the first event, and speaks
// about what is not old.
func TestFromFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		maxAge time.Duration
		says   int
	}{"old events": {time.Nanosecond, 0}, "events that are not old": {time.Hour, 20}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			channel := plugintest.Run(t)
			stop := startOne(t, channel, plugin(hello)) // an earlier version, which read no lines
			all := lines(channel, 20)
			stop()
			startOne(t, channel, listener(c.maxAge, func(string) error { return nil }))
			keeps(t, channel, all, 0)
			eventually(t, "what it says", func() bool { return len(channel.Said()) >= c.says })
			if said, timers := channel.Said(), timers(t, channel); len(said) != c.says || timers != c.says {
				t.Errorf("it said %q and set %d timers, want %d", said, timers, c.says)
			}
		})
	}
}

// While a plugin reads the past it answers commands, shows how far it is, is paused and
// goes on, and a restart in the middle repeats and skips nothing.
func TestThePastDelaysNothing(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t)
	all := lines(channel, 120)
	reached, release := make(chan struct{}), make(chan struct{})
	stop := startOne(t, channel, listener(time.Nanosecond, func(line string) error {
		if line != all[109] {
			return nil
		}
		select {
		case <-reached:
		default:
			close(reached)
		}
		<-release
		return errors.New("stopped in the middle")
	}))
	<-reached
	if got := channel.Say("alice", "!x"); got != "hello" {
		t.Errorf("it said %q while it reads the past", got)
	}
	statuses, err := host.Statuses(t.Context(), channel.Bus.Conn(), channel.Bus.JetStream())
	if err != nil || len(statuses) != 1 || statuses[0].Past == nil || statuses[0].Past.String() != "100 of 121 events read" || statuses[0].Lag != 0 {
		t.Errorf("its status is %+v, %v", statuses, err)
	}
	if err := host.Pause(t.Context(), channel.Bus.JetStream(), "x", time.Time{}); err != nil {
		t.Fatal(err)
	}
	go stop()
	close(release)
	stop()
	startOne(t, channel, listener(time.Nanosecond, func(string) error { return nil }))
	if waiting, err := host.Resume(t.Context(), channel.Bus.JetStream(), "x"); err != nil || waiting != 1 {
		t.Errorf("%d events waited: %v", waiting, err)
	}
	keeps(t, channel, all, 1)
}

// A command that changes a record of the batch that is being handled loses nothing, and nor
// does the batch. An event that cannot be handled is dead-lettered alone.
func TestOthersChangeWhatThePastDoes(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t)
	all := lines(channel, 20)
	reached, release := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(reached); <-release })
	startOne(t, channel, listener(time.Nanosecond, func(line string) error {
		switch line {
		case all[9]:
			first()
		case all[15]:
			return consumers.Permanent(errors.New("on purpose"))
		}
		return nil
	}))
	<-reached
	if got := channel.Say("alice", "!x"); got != "hello" {
		t.Errorf("it said %q", got)
	}
	close(release)
	keeps(t, channel, slices.Delete(slices.Clone(all), 15, 16), 1)
	if letter := deadLetter(t, channel); letter.Consumer != "past-x" || letter.Error != "on purpose" {
		t.Errorf("dead letter %+v", letter)
	}
}

// startOne runs a plugin until the test ends or stop is called, which may be more often.
func startOne(t testing.TB, channel *plugintest.Channel, p plugins.Plugin, with ...func(*host.Host)) (stop func()) {
	t.Helper()
	kv, err := router.OpenBucket(t.Context(), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 1)
	h := host.Host{Bus: channel.Bus, Bucket: kv, Logger: slog.New(slog.DiscardHandler), Exclusive: true, OnStart: func(err error) { started <- err }}
	for _, change := range with {
		change(&h)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := h.Run(ctx, p); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	return stop
}

// timers returns how many timers wait.
func timers(t *testing.T, channel *plugintest.Channel) int {
	t.Helper()
	s, err := channel.Bus.JetStream().Stream(t.Context(), streams.Timer)
	if err != nil {
		t.Fatal(err)
	}
	return int(s.CachedInfo().State.Msgs)
}
