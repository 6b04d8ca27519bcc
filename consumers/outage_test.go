package consumers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A process that is told to stop while NATS is away does not wait for it.
func TestStopsWithoutNATS(t *testing.T) {
	t.Parallel()
	server, err := embedded.Start(embedded.Config{Store: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	disconnected, closed := make(chan struct{}), make(chan struct{})
	nc, err := nats.Connect(server.Info().URL, nats.UserInfo(server.Info().User, server.Info().Password), nats.MaxReconnects(-1),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { close(disconnected) }), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { nc.Close(); <-closed }()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Open(streamstest.Context(t), js, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	bus := streams.NewBus(nc, js)
	settled, stop := start(t, bus, consumers.Config{}, func(context.Context, streams.Stored) ([]event.Envelope, error) { return nil, nil })
	command(t, bus, "x")
	next(t, settled)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	<-disconnected
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	select {
	case <-stopped:
	case <-time.After(8 * time.Second): // the client library waits 10 s for the server
		t.Error("it waits for NATS")
		<-stopped
	}
}

// A consumer that is deleted while its last event is being handled, so between
// two pulls, is missed all the same.
func TestDeletedConsumerEndsRun(t *testing.T) {
	streamstest.Slow(t, "waits for missed heartbeats")
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	ended := make(chan error, 1)
	c := consumers.Config{Durable: "plugin-t", Stream: streams.Plugin, Name: "t", Subjects: []string{event.CommandSubject("t")}}
	go func() {
		ended <- consumers.Run(ctx, bus, c, func(ctx context.Context, _ streams.Stored) ([]event.Envelope, error) {
			return nil, bus.JetStream().DeleteConsumer(ctx, streams.Plugin, "plugin-t")
		})
	}()
	command(t, bus, "x")
	if err := <-ended; !errors.Is(err, jetstream.ErrNoHeartbeat) || !strings.Contains(err.Error(), "plugin-t was deleted") {
		t.Errorf("Run returned %v", err)
	}
}

// A connection that is closed for good ends a consumer with an error: whoever runs
// it must not take that for an end that was asked for.
func TestClosedConnectionEndsRun(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	ended, handled := make(chan error, 1), make(chan struct{}, 1)
	c := consumers.Config{Durable: "plugin-t", Stream: streams.Plugin, Name: "t", Subjects: []string{event.CommandSubject("t")}}
	go func() {
		ended <- consumers.Run(ctx, bus, c, func(context.Context, streams.Stored) ([]event.Envelope, error) {
			handled <- struct{}{}
			return nil, nil
		})
	}()
	command(t, bus, "x")
	next(t, handled)
	bus.Conn().Close()
	if err := next(t, ended); !errors.Is(err, nats.ErrConnectionClosed) || !strings.Contains(err.Error(), "read consumer plugin-t") {
		t.Errorf("Run returned %v", err)
	}
}
