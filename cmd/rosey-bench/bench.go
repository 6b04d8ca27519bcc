package main

import (
	"context"
	"errors"
	"net"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/msgid"
)

// bench runs a measurement. As with testing.B, its methods end the measurement when something fails.
type bench struct {
	ctx         context.Context
	n           int            // operations of a measurement
	dir         string         // parent of the throw-away stores; "" is the system's temporary directory
	rosey, self string         // programs
	only        *regexp.Regexp // names of measurements

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

// failure is what check panics with.
type failure struct{ err error }

// check ends the measurement if err is not nil.
func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

// do makes a measurement and stops what it started.
func (b *bench) do(run func(*bench) (ours, raw float64)) (ours, raw float64, err error) {
	defer func() { err = errors.Join(err, b.cleanup()) }()
	defer func() {
		switch f := recover().(type) {
		case nil:
		case failure:
			err = f.err
		default:
			panic(f)
		}
	}()
	ours, raw = run(b)
	return ours, raw, nil
}

func (b *bench) tempDir() string {
	dir := must(os.MkdirTemp(b.dir, "rosey-bench-"))
	b.onCleanup(func() error { return os.RemoveAll(dir) })
	return dir
}

// node is a throw-away server with the streams: bus is how Rosey uses it, bare a plain connection of nats.go.
type node struct {
	bus  *streams.Bus
	bare jetstream.JetStream
}

// node starts a server for the measurement.
func (b *bench) node(dir string) node {
	server := must(embedded.Start(embedded.Config{Store: dir}))
	b.onCleanup(server.Stop)
	js := b.connect(server)
	check(streams.Open(b.ctx, js, streams.Options{}))
	signer := must(msgid.OpenSigner(b.ctx, js, 1))
	return node{bus: streams.NewBus(js.Conn(), js, streams.WithMessageIDSigner(signer)), bare: b.connect(server, nats.InProcessServer(plainServer{server}))}
}

func (b *bench) connect(server *embedded.Server, opts ...nats.Option) jetstream.JetStream {
	nc := must(server.Connect(opts...))
	b.onCleanup(func() error { nc.Close(); return nil })
	return must(jetstream.New(nc))
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
func inTurn(n int, ours, raw func(n int) error) (oursRate, rawRate float64) {
	each := max(n/rounds, 1)
	works := []func(int) error{ours, raw}
	var rates [2][]float64
	for round := range rounds {
		for turn := range works {
			i := (round + turn) % 2 // whoever is second finds the machine warm
			started := time.Now()
			check(works[i](each))
			rates[i] = append(rates[i], float64(each)/time.Since(started).Seconds())
		}
	}
	return quantile(rates[0], 0.5), quantile(rates[1], 0.5)
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
