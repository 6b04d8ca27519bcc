package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// A chain is the path of a command: a chat line is stored, routed, handled by a
// plugin, and what the plugin says is stored and read back.
type chain struct {
	say  func(message string) error // stores a chat line
	said chan struct{}              // gets one for each reply that was read back
	stop func() error
}

// ourChain is the router and a plugin, as the bot runs them.
func ourChain(ctx context.Context, b *bench) (chain, error) {
	on, err := b.node(ctx)
	if err != nil {
		return chain{}, err
	}
	bus, log := on.bus, slog.New(slog.DiscardHandler)
	bucket, err := router.OpenBucket(ctx, bus.JetStream(), 1)
	if err != nil {
		return chain{}, errors.Join(err, on.stop())
	}
	running, cancel := context.WithCancel(ctx)
	c := chain{said: make(chan struct{}, 1<<16)}
	registry := router.NewRegistry("!", log)
	router := router.New(registry, "!", func(_, user string) bool { return user == "rosey" }, log)
	host := plugins.Host{Bus: bus, Bucket: bucket, Logger: log}
	echo := plugins.Plugin{Name: "bench", Version: "1.0.0", Commands: []plugins.Command{{
		Name: "bench", Handle: func(c *plugins.Context) ([]event.Envelope, error) { return c.Say("benched"), nil },
	}}}
	sender := consumers.Config{Durable: "bench-sender", Stream: streams.Cytube, Subjects: []string{event.AllSends}, Name: "bench-sender"}
	actors := []func() error{
		func() error { return registry.Watch(running, bucket, nil, func() {}) },
		func() error { return consumers.Run(running, bus, router.Config(), router.Handle) },
		func() error { return host.Run(running, echo) },
		func() error {
			return consumers.Run(running, bus, sender, func(context.Context, streams.Stored) ([]event.Envelope, error) {
				c.said <- struct{}{}
				return nil, nil
			})
		},
	}
	ended := make(chan error, len(actors))
	for _, actor := range actors {
		go func() { ended <- actor() }()
	}
	c.say = func(message string) error {
		e, err := chatEnvelope(message)
		if err == nil {
			_, err = bus.Publish(ctx, e)
		}
		return err
	}
	c.stop = func() error {
		cancel()
		for range actors {
			<-ended
		}
		return on.stop()
	}
	err = until(ctx, func() bool {
		info, err := bus.JetStream().Consumer(ctx, streams.Plugin, plugins.Durable("bench"))
		return err == nil && info.CachedInfo().NumWaiting > 0 && len(registry.Plugins()) > 0
	})
	if err != nil {
		return chain{}, errors.Join(err, c.stop())
	}
	return c, nil
}

// rawChain is the same hops by bare nats.go calls: durable consumers that read
// the body, publish the next body and acknowledge.
func rawChain(ctx context.Context, b *bench) (chain, error) {
	on, err := b.node(ctx)
	if err != nil {
		return chain{}, err
	}
	js := on.bare
	c := chain{said: make(chan struct{}, 1<<16)}
	var stops []func()
	hop := func(durable, stream, filter string, do func(jetstream.Msg) error) error {
		consumer, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
			Durable: durable, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1000,
		})
		if err != nil {
			return err
		}
		it, err := streams.OneByOne(consumer)
		if err != nil {
			return err
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				msg, err := nextOf(it)
				if err != nil {
					return
				}
				if err := do(msg); err == nil {
					_ = msg.Ack()
				}
			}
		}()
		stops = append(stops, func() { it.Stop(); <-done })
		return nil
	}
	read := func(msg jetstream.Msg) error {
		var in map[string]any
		return json.Unmarshal(msg.Data(), &in)
	}
	forward := func(subject string, payload any) (func(jetstream.Msg) error, error) {
		e, err := event.New(subject, payload)
		if err != nil {
			return nil, err
		}
		body, err := e.MarshalJSON()
		if err != nil {
			return nil, err
		}
		return func(msg jetstream.Msg) error {
			if err := read(msg); err != nil {
				return err
			}
			meta, err := msg.Metadata()
			if err != nil {
				return err
			}
			_, err = js.Publish(ctx, subject, body, jetstream.WithMsgID(fmt.Sprintf("%s/%s:%d/1", meta.Consumer, meta.Stream, meta.Sequence.Stream)))
			return err
		}, nil
	}
	route, err := forward(event.CommandSubject("bench"), event.Command{Command: "bench", Args: []string{}, User: "alice", Channel: "bench"})
	if err == nil {
		err = hop("router", streams.Cytube, event.SubjectChat, route)
	}
	var handle func(jetstream.Msg) error
	if err == nil {
		handle, err = forward(event.SubjectSendChat, event.SendChat{Message: "benched", Channel: "bench"})
	}
	if err == nil {
		err = hop("plugin", streams.Plugin, event.CommandSubject("bench"), handle)
	}
	if err == nil {
		err = hop("sender", streams.Cytube, event.AllSends, func(msg jetstream.Msg) error {
			err := read(msg)
			c.said <- struct{}{}
			return err
		})
	}
	c.stop = func() error {
		for _, stop := range stops {
			stop()
		}
		return on.stop()
	}
	if err != nil {
		return chain{}, errors.Join(err, c.stop())
	}
	c.say = func(message string) error {
		e, err := chatEnvelope(message)
		if err != nil {
			return err
		}
		body, err := e.MarshalJSON()
		if err != nil {
			return err
		}
		_, err = js.Publish(ctx, e.Subject, body)
		return err
	}
	return c, nil
}

// bothChains runs f with each chain, both up at the same time.
func bothChains(ctx context.Context, b *bench, f func(ours, raw chain) error) (err error) {
	ours, err := ourChain(ctx, b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	raw, err := rawChain(ctx, b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, raw.stop()) }()
	return f(ours, raw)
}

// benchChainLatency measures one command at a time, from before the chat line is
// stored until the reply is read back, and takes the quantile q.
func benchChainLatency(q float64) func(context.Context, *bench) (float64, float64, error) {
	return func(ctx context.Context, b *bench) (ours, raw float64, err error) {
		err = bothChains(ctx, b, func(our, bare chain) error {
			var took [2][]float64
			for range max(b.n/10, 200) {
				for i, c := range []chain{our, bare} {
					started := time.Now()
					if err := c.say("!bench"); err != nil {
						return err
					}
					select {
					case <-c.said:
					case <-ctx.Done():
						return ctx.Err()
					}
					took[i] = append(took[i], time.Since(started).Seconds())
				}
			}
			ours, raw = quantile(took[0], q), quantile(took[1], q)
			return nil
		})
		return ours, raw, err
	}
}

// benchChainThroughput measures how many commands a second go through when they
// come as fast as they can be stored.
func benchChainThroughput(ctx context.Context, b *bench) (ours, raw float64, err error) {
	err = bothChains(ctx, b, func(our, bare chain) error {
		through := func(c chain) func(int) error {
			return func(n int) error {
				failed := make(chan error, 1)
				go func() {
					for range n {
						if err := c.say("!bench"); err != nil {
							failed <- err
							return
						}
					}
				}()
				for range n {
					select {
					case <-c.said:
					case err := <-failed:
						return err
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				return nil
			}
		}
		var err error
		ours, raw, err = inTurn(b.n, through(our), through(bare))
		return err
	})
	return ours, raw, err
}
