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
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A running handler finishes when Run is stopped, and a restart continues with the next
// command.
func TestStopFinishesAndRestartResumes(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	// Another command may begin before the stop arrives; it must not block that.
	begun, finish := make(chan string, 2), make(chan struct{})
	handler := func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		c, err := event.As[event.Command](d.Envelope)
		begun <- c.Command
		<-finish
		return nil, errors.Join(err, ctx.Err())
	}
	settled, stop := start(t, bus, consumers.Config{}, handler)
	command(t, bus, "a")
	command(t, bus, "b")
	next(t, begun)
	go stop()
	close(finish)
	if o := next(t, settled); o.Result != consumers.Handled {
		t.Errorf("outcome %+v", o)
	}
	stop()
	finish = make(chan struct{})
	close(finish)
	_, _ = start(t, bus, consumers.Config{AckWait: 100 * time.Millisecond}, handler)
	if got := next(t, begun); got != "b" {
		t.Errorf("resumed at %s, want b", got)
	}
}

func TestPausedConsumerStaysPausedAcrossRestarts(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	handler := func(context.Context, streams.Stored) ([]event.Envelope, error) { return nil, nil }
	settled, stop := start(t, bus, consumers.Config{}, handler)
	command(t, bus, "a")
	next(t, settled)
	stop()
	js := bus.JetStream()
	if _, err := js.PauseConsumer(t.Context(), streams.Plugin, "plugin-t", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	settled, _ = start(t, bus, consumers.Config{}, handler)
	command(t, bus, "b")
	for consumer(t, bus).NumWaiting == 0 {
		select {
		case o := <-settled:
			t.Fatalf("handled while paused: %+v", o)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if info := consumer(t, bus); !info.Paused || info.NumPending != 1 {
		t.Errorf("paused %v, pending %d", info.Paused, info.NumPending)
	}
	if _, err := js.ResumeConsumer(t.Context(), streams.Plugin, "plugin-t"); err != nil {
		t.Fatal(err)
	}
	next(t, settled)
}

// A new consumer starts at Since; an existing one continues.
func TestSince(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	seen := make(chan string, 8)
	handler := func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		seen <- d.CorrelationID
		return nil, nil
	}
	command(t, bus, "old")
	// The server's clock gives events their time, and it is this machine's.
	since := time.Now()
	command(t, bus, "new")
	_, stop := start(t, bus, consumers.Config{Since: since}, handler)
	if got := next(t, seen); got != "corr-new" {
		t.Errorf("began with %s", got)
	}
	stop()
	command(t, bus, "missed")
	start(t, bus, consumers.Config{Since: time.Now().Add(time.Hour)}, handler)
	if got := next(t, seen); got != "corr-missed" {
		t.Errorf("went on with %s", got)
	}
}

// A handler that takes longer than AckWait keeps its event.
func TestLongHandlersAreNotRedelivered(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "waits longer than AckWait")
	bus := streamstest.Bus(t, streamstest.Server(t))
	const ackWait = 3 * time.Second // of which a heartbeat on a busy machine may take two
	settled, _ := start(t, bus, consumers.Config{AckWait: ackWait}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		select {
		case <-ctx.Done():
		case <-time.After(ackWait + ackWait/2):
		}
		return nil, ctx.Err()
	})
	command(t, bus, "x")
	if o := next(t, settled); o.Attempt != 1 || o.Result != consumers.Handled {
		t.Errorf("outcome %+v", o)
	}
	if info := idle(t, bus); info.NumRedelivered != 0 {
		t.Errorf("%d were redelivered", info.NumRedelivered)
	}
}

// Stopping while NATS is away does not wait for it.
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

// A consumer deleted between two pulls ends Run with an error that says that it is gone, by
// which it is opened again, though the server only falls silent.
func TestDeletedConsumerEndsRun(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "waits for missed heartbeats")
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
	if err := <-ended; !jsapi.IsMissing(err) || !strings.Contains(err.Error(), "plugin-t was deleted") {
		t.Errorf("Run returned %v", err)
	}
}

// A closed connection ends Run with an error, unlike a canceled context.
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

// What fills sequences that a power cut took is acked and not handled.
func TestFillersAreAcked(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	streamstest.LeaveFiller(t, bus, streams.Plugin)
	settled, _ := start(t, bus, consumers.Config{Subjects: []string{event.AllPlugin}}, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		t.Errorf("%s was handled", d.Subject)
		return nil, nil
	})
	if o := next(t, settled); o.Result != consumers.Handled {
		t.Errorf("outcome %+v", o)
	}
	idle(t, bus)
	if n := len(letters(t, bus)); n != 0 {
		t.Errorf("%d dead letters, want none", n)
	}
}

// What a process held when it died is handled at once by the only other one, and not after
// its AckWait, which stays, and as a further attempt.
func TestExclusiveTakesWhatADeadProcessHeld(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	handled := func(context.Context, streams.Stored) ([]event.Envelope, error) { return nil, nil }
	config := consumers.Config{AckWait: time.Hour, Exclusive: true}
	settled, stop := start(t, bus, config, handled)
	command(t, bus, "before")
	next(t, settled)
	stop()
	ref := command(t, bus, "held")
	dead, err := bus.JetStream().Consumer(t.Context(), streams.Plugin, "plugin-t")
	if err != nil {
		t.Fatal(err)
	}
	if msg, err := dead.Next(); err != nil || msg == nil {
		t.Fatalf("%s was not delivered: %v", ref, err)
	}
	settled, _ = start(t, bus, config, handled)
	if o := next(t, settled); o.Result != consumers.Handled || o.Attempt != 2 {
		t.Errorf("outcome %+v", o)
	}
	if info, err := dead.Info(t.Context()); err != nil || info.Config.AckWait != time.Hour {
		t.Errorf("%+v, %v", info, err)
	}
}

// A handler that calls ReadNext goes on beside the next, and Run waits for both.
func TestOverlap(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	finish := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{})}
	begun := make(chan string, 2)
	settled, stop := start(t, bus, consumers.Config{}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		c, err := event.As[event.Command](d.Envelope)
		begun <- c.Command
		consumers.ReadNext(ctx)
		<-finish[c.Command]
		return nil, err
	})
	command(t, bus, "a")
	command(t, bus, "b")
	if got := next(t, begun) + next(t, begun); got != "ab" {
		t.Errorf("begun in the order %s", got)
	}
	close(finish["b"])
	next(t, settled)
	go stop()
	close(finish["a"])
	if o := next(t, settled); o.Result != consumers.Handled {
		t.Errorf("outcome %+v", o)
	}
}
