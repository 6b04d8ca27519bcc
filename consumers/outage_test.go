package consumers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// An outage of the database or a stream, as while a cluster elects a leader, delays an
// event, but fails no attempt.
func TestOutageIsNoFailedAttempt(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "waits for timeouts")
	log, unanswered := watchLog("failed, retrying")
	bus := streamstest.Bus(t, streamstest.Server(t), log, streams.WithTimeout(100*time.Millisecond))
	get := event.Get{Collection: "c", ID: "1"}
	gone := make(chan struct{})
	settled, _ := start(t, bus, consumers.Config{}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		p := consumers.PublisherFrom(ctx)
		if _, err := p.Request(ctx, event.SubjectGet, get, streams.Within(time.Millisecond)); event.CodeOf(err) != event.Timeout {
			t.Errorf("who says how long he waits got %v", err)
		}
		body, err := p.Request(ctx, event.SubjectGet, get)
		if err != nil {
			return nil, err
		}
		// The stream goes away between the request and the answer to the command.
		if err := bus.JetStream().DeleteStream(ctx, streams.Cytube); err != nil {
			return nil, err
		}
		for len(unanswered) > 0 {
			<-unanswered // of the request
		}
		close(gone)
		return []event.Envelope{say(t, string(body))}, nil
	})
	command(t, bus, "x")
	next(t, unanswered)
	database, err := micro.AddService(bus.Conn(), micro.Config{Name: "database", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Stop() })
	answer := bus.Service(t.Context(), func(context.Context, event.Envelope) (any, error) { return map[string]any{"success": true}, nil })
	if err := database.AddEndpoint("get", answer, micro.WithEndpointSubject(event.SubjectGet)); err != nil {
		t.Fatal(err)
	}
	next(t, gone)
	next(t, unanswered)
	if err := streams.Open(t.Context(), bus.JetStream(), streams.Options{}); err != nil {
		t.Fatal(err)
	}
	if o := next(t, settled); o.Result != consumers.Handled || o.Attempt != 1 {
		t.Errorf("outcome %+v, want it handled at the first attempt", o)
	}
	if sends := only(streamstest.Stored(t, bus, streams.Cytube), event.SubjectSendChat); len(sends) != 1 {
		t.Errorf("%d sends, want one", len(sends))
	}
}

// smallServer starts a server with a limited store.
func smallServer(t *testing.T, size int64) *embedded.Server {
	t.Helper()
	server, err := embedded.Start(embedded.Config{Store: t.TempDir(), MaxStore: size})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// Outputs and dead letters are retried while the store is full: no attempt fails because
// of that, and nothing is lost.
func TestPublishingWaitsForRoom(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "fills a store")
	server := smallServer(t, 6<<20)
	log, waits := watchLog("publish failed, retrying")
	bus := streamstest.Bus(t, server, log)
	full := make(chan struct{})
	settled := make(chan consumers.Outcome, 10)
	handler := func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		if d.Attempt > 1 {
			t.Errorf("%s is given to another process while it is worked on", d.Ref)
		}
		<-full
		if c, _ := event.As[event.Command](d.Envelope); c.Command == "bad" {
			return nil, consumers.Permanent(errors.New("it never works"))
		}
		return []event.Envelope{say(t, "one"), say(t, "two")}, nil
	}
	// One of three processes is idle. Under load a heartbeat is late by seconds.
	for range 3 {
		open := make(chan struct{})
		start(t, bus, consumers.Config{AckWait: 15 * time.Second, Observe: func(o consumers.Outcome) { settled <- o }, Ready: func() { close(open) }}, handler)
		next(t, open)
	}
	command(t, bus, "bad")
	command(t, bus, "good")
	streamstest.FillStore(t, bus)
	close(full)
	next(t, waits)
	next(t, waits)
	// What waits for capacity goes on being extended.
	extended := watchHeartbeats(t, bus)
	for seen := map[string]bool{}; len(seen) < 2; {
		seen[next(t, extended)] = true
	}
	if len(settled) > 0 {
		t.Fatalf("settled while the store is full: %+v", <-settled)
	}
	streamstest.FreeStore(t, bus)
	results := map[string]int{}
	for range 2 {
		o := next(t, settled)
		results[o.Result]++
		if o.Attempt != 1 || o.Duplicates != 0 {
			t.Errorf("not settled at the first attempt: %+v", o)
		}
	}
	if results[consumers.Handled] != 1 || results[consumers.Dead] != 1 {
		t.Errorf("settled as %v", results)
	}
	said := len(only(streamstest.Stored(t, bus, streams.Cytube), event.SubjectSendChat))
	letters := len(only(streamstest.Stored(t, bus, streams.Plugin), event.EventSubject("t", event.TypeDeadLetter)))
	if said != 2 || letters != 1 {
		t.Errorf("%d answers and %d dead letters, want 2 and 1", said, letters)
	}
	t.Logf("2 events handled while the store was full: %d answers and %d dead letter stored once there was room, each at attempt 1", said, letters)
}

// watchHeartbeats returns a channel of the reply subjects of deliveries whose deadlines are
// extended.
func watchHeartbeats(t *testing.T, bus *streams.Bus) <-chan string {
	t.Helper()
	extended := make(chan string, 100)
	sub, err := bus.Conn().Subscribe("$JS.ACK.>", func(msg *nats.Msg) {
		if string(msg.Data) == "+WPI" {
			extended <- msg.Subject
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	return extended
}
