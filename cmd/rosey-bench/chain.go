package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
)

// A chain is the path of a command: a chat line is stored, routed and handled by a plugin, whose answer is stored and
// read back.
type chain struct {
	publish  func() error // stores a chat line with a command
	answered chan struct{}
}

// ourChain runs the router and a plugin as the bot does.
func ourChain(b *bench) chain {
	on := b.node(b.tempDir())
	bus, log := on.bus, slog.New(slog.DiscardHandler)
	bucket := must(router.OpenBucket(b.ctx, bus.JetStream(), 1))
	c := chain{answered: make(chan struct{}, 1<<16)}
	registry := router.NewRegistry("!", log)
	commands := router.Router{Registry: registry, Prefix: "!", IsBot: func(_, user string) bool { return user == "rosey" }, Logger: log}
	host := host.Host{Bus: bus, Bucket: bucket, Logger: log}
	plugin := plugins.Plugin{Name: "bench", Version: "1.0.0", Commands: []plugins.Command{{
		Name: "bench", Handle: func(c *plugins.Context) ([]event.Envelope, error) { return c.Say("benched"), nil },
	}}}
	sender := consumers.Config{Durable: "bench-sender", Stream: streams.Cytube, Subjects: []string{event.AllSends}, Name: "bench-sender"}
	b.background(
		func(ctx context.Context) error { return registry.Watch(ctx, bus.JetStream(), bucket, nil, func() {}) },
		func(ctx context.Context) error { return consumers.Run(ctx, bus, commands.Config(), commands.Handle) },
		func(ctx context.Context) error { return host.Run(ctx, plugin) },
		func(ctx context.Context) error {
			return consumers.Run(ctx, bus, sender, func(context.Context, streams.Stored) ([]event.Envelope, error) {
				c.answered <- struct{}{}
				return nil, nil
			})
		})
	c.publish = func() error {
		e, _ := chatLine("!bench")
		_, err := bus.Publish(b.ctx, e)
		return err
	}
	check(poll(b.ctx, func() bool {
		info, err := bus.JetStream().Consumer(b.ctx, streams.Plugin, streams.Durable("bench"))
		return err == nil && info.CachedInfo().NumWaiting > 0 && len(registry.Plugins()) > 0
	}))
	return c
}

// background runs functions until the measurement ends.
func (b *bench) background(run ...func(context.Context) error) {
	ctx, cancel := context.WithCancel(b.ctx)
	var running sync.WaitGroup
	for _, f := range run {
		running.Go(func() { _ = f(ctx) })
	}
	b.onCleanup(func() error {
		cancel()
		running.Wait()
		return nil
	})
}

func poll(ctx context.Context, ready func() bool) error {
	for !ready() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// rawChain makes the same hops with bare nats.go calls: durable consumers that read the body, publish the next one and
// acknowledge.
func rawChain(b *bench) chain {
	js := b.node(b.tempDir()).bare
	c := chain{answered: make(chan struct{}, 1<<16)}
	for _, hop := range []struct {
		durable, stream, filter string
		next                    string // subject of what the hop publishes; "" for the last one
		payload                 any
	}{
		{"router", streams.Cytube, event.SubjectChat, event.CommandSubject("bench"), event.Command{Command: "bench", Args: []string{}, User: "alice", Channel: "bench"}},
		{"plugin", streams.Plugin, event.CommandSubject("bench"), event.SubjectSendChat, event.SendChat{Message: "benched", Channel: "bench"}},
		{"sender", streams.Cytube, event.AllSends, "", nil},
	} {
		publish := func(jetstream.Msg) error { c.answered <- struct{}{}; return nil }
		if hop.next != "" {
			_, body := envelope(hop.next, hop.payload)
			publish = func(msg jetstream.Msg) error {
				meta, err := msg.Metadata()
				if err != nil {
					return err
				}
				_, err = js.Publish(b.ctx, hop.next, body, jetstream.WithMsgID(fmt.Sprintf("%s/%s:%d/1", meta.Consumer, meta.Stream, meta.Sequence.Stream)))
				return err
			}
		}
		messages := b.rawConsumer(js, hop.durable, hop.stream, hop.filter)
		b.background(func(context.Context) error { return consumeRaw(messages, publish) })
		b.onCleanup(func() error { messages.Stop(); return nil })
	}
	c.publish = func() error {
		e, body := chatLine("!bench")
		_, err := js.Publish(b.ctx, e.Subject, body)
		return err
	}
	return c
}

func consumeRaw(messages jetstream.MessagesContext, handle func(jetstream.Msg) error) error {
	for {
		msg, err := rawNext(messages)
		if err != nil {
			return err
		}
		var in map[string]any
		if json.Unmarshal(msg.Data(), &in) == nil && handle(msg) == nil {
			_ = msg.Ack()
		}
	}
}

func (c chain) await(ctx context.Context) error {
	select {
	case <-c.answered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// measureChainLatency has one command at a time and takes the quantile q of the times from before the chat line is
// stored until the answer is read back.
func measureChainLatency(q float64) func(*bench) (float64, float64) {
	return func(b *bench) (ours, raw float64) {
		chains := []chain{ourChain(b), rawChain(b)}
		var took [2][]float64
		for range max(b.n/10, 200) {
			for i, c := range chains {
				started := time.Now()
				check(c.publish())
				check(c.await(b.ctx))
				took[i] = append(took[i], time.Since(started).Seconds())
			}
		}
		return quantile(took[0], q), quantile(took[1], q)
	}
}

// measureChainThroughput has commands come as fast as they can be stored.
func measureChainThroughput(b *bench) (ours, raw float64) {
	through := func(c chain) func(int) error {
		return func(n int) error {
			published := make(chan error, 1)
			go func() { published <- repeat(func(int) error { return c.publish() })(n) }()
			if err := repeat(func(int) error { return c.await(b.ctx) })(n); err != nil {
				return err
			}
			return <-published
		}
	}
	return inTurn(b.n, through(ourChain(b)), through(rawChain(b)))
}
