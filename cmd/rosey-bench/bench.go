package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// bench is what measurements work with.
type bench struct {
	n           int    // operations of a measurement
	dir         string // parent of the throw-away stores; "" is the system's temporary directory
	rosey, self string // programs

	full     string // the full store, once it was filled
	cleanups []func() error
}

// onCleanup adds f to what is done, last first, when the measurement ends.
func (b *bench) onCleanup(f func() error) { b.cleanups = append(b.cleanups, f) }

func (b *bench) cleanup() (err error) {
	for _, f := range slices.Backward(b.cleanups) {
		err = errors.Join(err, f())
	}
	b.cleanups = nil
	return err
}

func (b *bench) tempDir() (string, error) {
	dir, err := os.MkdirTemp(b.dir, "rosey-bench-")
	if err != nil {
		return "", fmt.Errorf("make a store: %w", err)
	}
	b.onCleanup(func() error { return os.RemoveAll(dir) })
	return dir, nil
}

// node is a throw-away server with the streams: bus is how Rosey uses it, bare a plain connection of nats.go.
type node struct {
	bus  *streams.Bus
	bare jetstream.JetStream
}

// node starts a server for the measurement.
func (b *bench) node(ctx context.Context) (*node, error) {
	dir, err := b.tempDir()
	if err != nil {
		return nil, err
	}
	return b.nodeIn(ctx, dir)
}

func (b *bench) nodeIn(ctx context.Context, dir string) (*node, error) {
	server, err := embedded.Start(embedded.Config{Store: dir})
	if err != nil {
		return nil, err
	}
	b.onCleanup(server.Stop)
	js, err := b.connect(server)
	if err != nil {
		return nil, err
	}
	if err := streams.Open(ctx, js, streams.Options{}); err != nil {
		return nil, err
	}
	seal, err := streams.OpenMessageIDSigner(ctx, js, 1)
	if err != nil {
		return nil, err
	}
	bare, err := b.connect(server, nats.InProcessServer(plainServer{server}))
	if err != nil {
		return nil, err
	}
	return &node{bus: streams.NewBus(js.Conn(), js, streams.WithMessageIDSigner(seal)), bare: bare}, nil
}

func (b *bench) connect(server *embedded.Server, opts ...nats.Option) (jetstream.JetStream, error) {
	nc, err := server.Connect(opts...)
	if err != nil {
		return nil, err
	}
	b.onCleanup(func() error { nc.Close(); return nil })
	return jetstream.New(nc)
}

// plainServer hands out in-process connections as nats-server makes them.
type plainServer struct{ *embedded.Server }

func (s plainServer) InProcessConn() (net.Conn, error) {
	c, err := s.Server.InProcessConn()
	if wrapped, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = wrapped.NetConn()
	}
	return c, err
}

// rounds is how often ours and raw take turns; the median counts.
const rounds = 21

// inTurn has ours and raw take turns at n operations in all and returns the median rate per second of each.
func inTurn(n int, ours, raw func(n int) error) (oursRate, rawRate float64, err error) {
	each := max(n/rounds, 1)
	works := []func(int) error{ours, raw}
	var rates [2][]float64
	for round := range rounds {
		for turn := range works {
			i := (round + turn) % 2 // whoever is second finds the machine warm
			started := time.Now()
			if err := works[i](each); err != nil {
				return 0, 0, err
			}
			rates[i] = append(rates[i], float64(each)/time.Since(started).Seconds())
		}
	}
	return quantile(rates[0], 0.5), quantile(rates[1], 0.5), nil
}

// repeat does op n times, until it fails.
func repeat(op func(i int) error) func(n int) error {
	return func(n int) error {
		for i := range n {
			if err := op(i); err != nil {
				return err
			}
		}
		return nil
	}
}

func quantile(v []float64, q float64) float64 {
	slices.Sort(v)
	return v[min(int(q*float64(len(v))), len(v)-1)]
}
