package plugintest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/plugins/harness"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// backoff is short, so that failures show soon.
var backoff = []time.Duration{20 * time.Millisecond, 100 * time.Millisecond}

// life is a test's life between two reboots: it ends with the test or with stop.
type life struct {
	testing.TB
	cleanups []func()
}

// Cleanup registers a function that stop calls.
func (l *life) Cleanup(f func()) { l.cleanups = append(l.cleanups, f) }

// stop calls the registered functions, the last first.
func (l *life) stop() {
	for _, f := range slices.Backward(l.cleanups) {
		f()
	}
	l.cleanups = nil
}

// boot starts a bot on the store and waits until it is ready.
func (c *Channel) boot() {
	c.t.Helper()
	server := streamstest.Start(&c.life, embedded.Config{Store: c.store})
	c.Bus = streamstest.Bus(&c.life, server, streams.WithTimeout(timeout))
	c.start()
	c.ready()
}

func (c *Channel) start() {
	c.t.Helper()
	// A deadline takes the place of the five seconds that JetStream gives a call without one.
	ctx, cancel := context.WithTimeout(context.Background(), 10*timeout)
	c.ctx = ctx
	log := slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	h, err := harness.Start(ctx, c.Bus, harness.Config{
		Plugins: c.plugins, Backoff: backoff, Bot: "rosey", Logger: log, OnError: func(err error) { c.t.Error(err) },
	})
	if err != nil {
		cancel()
		c.t.Fatal(err)
	}
	c.settings, c.grants, c.registry = h.Settings, h.Grants, h.Registry
	c.life.Cleanup(func() {
		if err := h.Stop(); err != nil {
			c.t.Error(err)
		}
		cancel()
	})
	c.life.Cleanup(c.checkMarks) // before the parts stop
	c.await("the router", func() bool { return len(h.Registry.Plugins()) >= len(c.plugins) })
}

// ready waits until every plugin reads its commands and answers requests.
func (c *Channel) ready() {
	c.t.Helper()
	c.await("the plugins", func() bool {
		for _, p := range c.plugins {
			for _, d := range c.durables(p.Name) {
				consumer, err := c.Bus.JetStream().Consumer(c.ctx, d.stream, d.name)
				if err != nil || consumer.CachedInfo().NumWaiting == 0 {
					return false
				}
			}
		}
		return true
	})
}

// isTimer reports whether a stored message is a timer that has not fired.
func isTimer(h nats.Header) bool { return h.Get(jetstream.ScheduleHeader) != "" }

func (c *Channel) await(what string, ok func() bool) {
	c.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(timeout)
	for !ok() {
		select {
		case <-late:
			c.t.Fatalf("timed out waiting for %s, after\n%s", what, c.past())
		case <-tick.C:
		}
	}
}

// past returns all stored events, to explain why a test failed.
func (c *Channel) past() string {
	var b strings.Builder
	for e, err := range replay.Read(c.ctx, c.Bus.JetStream(), replay.Query{}) {
		if err != nil {
			fmt.Fprintln(&b, err)
			break
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", e.At.Format(time.StampMilli), e.Ref, e.Subject, e.Body)
	}
	return b.String()
}
