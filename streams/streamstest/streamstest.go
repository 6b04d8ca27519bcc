// Package streamstest starts what a test of event handling needs: a real NATS
// server with file storage in a temporary directory, and the streams in it.
package streamstest

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/streams"
)

// Server starts an embedded server on a fresh store and stops it when the test
// ends. It listens on a free loopback port.
func Server(t testing.TB) *streams.Server {
	t.Helper()
	s, err := streams.StartServer(streams.ServerConfig{Store: t.TempDir(), Listen: "127.0.0.1:0"})
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
func Bus(t testing.TB, s *streams.Server, opts ...streams.BusOption) *streams.Bus {
	t.Helper()
	nc := Connect(t, s)
	js, err := streams.JetStream(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Open(Context(t), js, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	return streams.NewBus(nc, js, opts...)
}

// Connect opens an in-process connection that is closed when the test ends.
func Connect(t testing.TB, s *streams.Server) *nats.Conn {
	t.Helper()
	closed := make(chan struct{})
	nc, err := s.Connect(nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); <-closed })
	return nc
}

// Context is a context that ends with the test or after a minute, whichever
// comes first, so that a wait on a condition has a deadline.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
