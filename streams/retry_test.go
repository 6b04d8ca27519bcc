package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What a full store has no room for waits, be it an event, a timer or a record.
func TestWithRetryWaitsForCapacity(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	server := streamstest.Start(t, embedded.Config{Store: t.TempDir(), MaxStore: 6 << 20})
	capacity := &monitor.Capacity{Observer: streams.NoObserver{}}
	bus := streamstest.Bus(t, server, streams.WithObserver(capacity))
	refused := make(chan struct{}, 100)
	defer respond(t, bus, event.SubjectSet, func(context.Context, event.Envelope) (any, error) {
		if err := capacity.Full(); err != nil {
			refused <- struct{}{}
			return nil, event.Errorf(event.DatabaseError, "set: %w", err).With("reason", jsapi.ReasonFull)
		}
		return map[string]any{"success": true}, nil
	})()
	e, err := event.New("plugin.t.event.ring", map[string]any{"event_type": "ring"})
	if err != nil {
		t.Fatal(err)
	}
	fired := make(chan streams.Stored, 8)
	sub, err := bus.Subscribe(ctx, e.Subject, func(_ context.Context, s streams.Stored) { fired <- s })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Stop)
	streamstest.FillStore(t, bus)
	if _, err := bus.Publish(ctx, e); !errors.Is(err, jsapi.ErrFull) {
		t.Fatalf("published to a full store: %v", err)
	}

	done := sendAll(ctx, bus, e)
	<-refused
	select {
	case err := <-done:
		t.Fatalf("one did not wait: %v", err)
	case <-time.After(time.Second):
	}
	streamstest.FreeStore(t, bus)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		select {
		case <-fired:
		case <-ctx.Done():
			t.Fatal("the event or the timer did not come")
		}
	}
}

// sendAll publishes an event, sets a timer and makes a request, all with WithRetry, and
// returns the channel of their errors.
func sendAll(ctx context.Context, bus *streams.Bus, e event.Envelope) <-chan error {
	done := make(chan error, 3)
	withRetry := streams.WithRetry(time.Minute)
	go func() {
		_, err := bus.Publish(ctx, e, streams.WithMsgID("event"), withRetry)
		done <- err
	}()
	go func() {
		_, err := bus.Publish(ctx, e, streams.WithMsgID("timer"), streams.At(time.Now().Add(time.Second), "kettle"), withRetry)
		done <- err
	}()
	go func() {
		_, err := bus.Request(ctx, event.SubjectSet, event.Set{Collection: "c", Data: []byte("{}")}, streams.WithMsgID("record"), withRetry)
		done <- err
	}()
	return done
}
