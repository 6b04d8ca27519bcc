// Package streamstest starts what a test of event handling needs: a real NATS
// server with file storage in a temporary directory, and the streams in it.
package streamstest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// Main runs the tests of a package and fails if they leak goroutines, but for one of
// the server's: if it stops before the stream PLUGIN has connected to its source
// TIMER, it waits half a minute longer for a reply (nats-server 2.15.2).
func Main(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*stream).trySetupSourceConsumer.func3"))
}

// Server starts an embedded server on a fresh store and stops it when the test
// ends. It listens on a free loopback port.
func Server(t testing.TB) *embedded.Server {
	t.Helper()
	return ServerOn(t, t.TempDir())
}

// ServerOn is Server on a given store.
func ServerOn(t testing.TB, store string) *embedded.Server {
	t.Helper()
	return Start(t, embedded.Config{Store: store, Listen: "127.0.0.1:0"})
}

// Start starts an embedded server and stops it when the test ends.
func Start(t testing.TB, c embedded.Config) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Bus opens the streams on s and returns a Bus on an in-process connection that
// is closed when the test ends.
func Bus(t testing.TB, s *embedded.Server, opts ...streams.BusOption) *streams.Bus {
	t.Helper()
	nc := Connect(t, s)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Open(Context(t), js, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	return streams.NewBus(nc, js, opts...)
}

// Publish stores an event, whose payload must be valid for its subject.
func Publish(t testing.TB, bus *streams.Bus, subject string, payload any, opts ...streams.PublishOption) streams.Ack {
	t.Helper()
	e, err := event.New(subject, payload)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := bus.Publish(t.Context(), e, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return ack
}

// Connect opens an in-process connection that is closed when the test ends.
func Connect(t testing.TB, s *embedded.Server) *nats.Conn {
	t.Helper()
	closed := make(chan struct{})
	nc, err := s.Connect(nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); <-closed })
	return nc
}

// Scan reads all streams to their ends with bare ordered consumers, one beside the
// other. Benchmarks compare readers with it.
func Scan(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	var wg sync.WaitGroup
	for _, spec := range streams.Specs() {
		s, err := js.Stream(t.Context(), spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		want := s.CachedInfo().State.Msgs
		if want == 0 {
			continue
		}
		c, err := js.OrderedConsumer(t.Context(), spec.Name, jetstream.OrderedConsumerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		wg.Add(1)
		n := uint64(0)
		cc, err := c.Consume(func(jetstream.Msg) {
			if n++; n == want {
				wg.Done()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { cc.Stop(); <-cc.Closed() }()
	}
	wg.Wait()
}

// Context is a context that ends with the test or after eight minutes, whichever
// comes first, so that a wait on a condition has a deadline.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Slow skips a test under -short: it takes more than a second or two, for the reason given.
func Slow(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow: " + why)
	}
}
