package plugintest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// backoff is short: a test should learn of a failure soon.
var backoff = []time.Duration{20 * time.Millisecond, 100 * time.Millisecond}

// boot starts a bot on the store and returns when it is ready.
func (r *Room) boot() {
	r.t.Helper()
	server, err := embedded.Start(embedded.Config{Store: r.store})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	closed := make(chan struct{})
	var nc *nats.Conn
	r.ctx = ctx
	r.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if r.db != nil {
			if err := r.db.Stop(); err != nil {
				r.t.Error(err)
			}
		}
		if nc != nil {
			nc.Close()
			<-closed
		}
		if err := server.Stop(); err != nil {
			r.t.Error(err)
		}
	})
	if nc, err = server.Connect(nats.ClosedHandler(func(*nats.Conn) { close(closed) })); err != nil {
		r.t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := streams.Open(ctx, js, streams.Options{}); err != nil {
		r.t.Fatal(err)
	}
	r.Bus = streams.NewBus(nc, js, streams.WithTimeout(patience))
	r.start(ctx, &running)
	r.ready()
}

// start runs the parts of a bot until ctx ends.
func (r *Room) start(ctx context.Context, running *sync.WaitGroup) {
	r.t.Helper()
	log := slog.New(slog.NewTextHandler(r.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	kv, err := router.OpenBucket(ctx, r.Bus.JetStream(), 1)
	if err != nil {
		r.t.Fatal(err)
	}
	store, err := kvstore.NewStore(r.Bus.JetStream(), kvstore.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		r.t.Fatal(err)
	}
	r.db = service.New(r.Bus.Conn(), store, service.Options{})
	registry := router.NewRegistry("!", log)
	router := router.New(registry, "!", func(_, user string) bool { return user == "rosey" }, log)
	if err := r.db.Start(); err != nil {
		r.t.Fatal(err)
	}
	actors := []func() error{
		func() error { return registry.Watch(ctx, kv, nil, func() {}) },
		func() error { return consumers.Run(ctx, r.Bus, router.Config(), router.Handle) },
	}
	host := host.Host{Bus: r.Bus, Bucket: kv, Logger: log, Backoff: backoff}
	for _, p := range r.plugins {
		actors = append(actors, func() error { return host.Run(ctx, p) })
	}
	for _, run := range actors {
		running.Go(func() {
			if err := run(); err != nil && !errors.Is(err, context.Canceled) {
				r.t.Error(err)
			}
		})
	}
	r.await("the router", func() bool { return len(registry.Plugins()) >= len(r.plugins) })
}

// ready waits until every plugin reads its commands and answers requests.
func (r *Room) ready() {
	r.t.Helper()
	r.await("the plugins", func() bool {
		for _, p := range r.plugins {
			for _, stream := range r.streams(p.Name) {
				c, err := r.Bus.JetStream().Consumer(r.ctx, stream, streams.Durable(p.Name))
				if err != nil || c.CachedInfo().NumWaiting == 0 {
					return false
				}
			}
		}
		return true
	})
}

// isTimer tells an event that waits for its time from one whose time has come.
func isTimer(h nats.Header) bool { return h.Get(jetstream.ScheduleHeader) != "" }

func (r *Room) await(what string, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-late:
			r.t.Fatalf("waited in vain for %s, after\n%s", what, r.past())
		case <-tick.C:
		}
	}
}

// past is what happened in the room, for somebody who wonders why a test failed.
func (r *Room) past() string {
	var b strings.Builder
	for e, err := range replay.Read(r.ctx, r.Bus.JetStream(), replay.Query{}) {
		if err != nil {
			fmt.Fprintln(&b, err)
			break
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", e.At.Format(time.StampMilli), e.Ref, e.Subject, e.Body)
	}
	return b.String()
}
