package consumers_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

const lostDurable = "plugin-lost"

// A durable that is deleted goes on where it stood when it is opened again: it neither
// skips what was stored meanwhile nor starts over.
func TestLostDurableGoesOnFromItsCheckpoint(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]bool{"running": false, "paused": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			ctx, js := streamstest.Context(t), bus.JetStream()
			go func() { _ = streams.KeepCheckpoints(ctx, js, slog.New(slog.DiscardHandler)) }()
			handleLines(t, bus, storeLines(t, bus, 3))
			until := time.Now().Add(time.Hour)
			if pause {
				if _, err := js.PauseConsumer(ctx, streams.Cytube, lostDurable, until); err != nil {
					t.Fatal(err)
				}
			}
			awaitCheckpoint(t, js, 3, pause)
			if err := js.DeleteConsumer(ctx, streams.Cytube, lostDurable); err != nil {
				t.Fatal(err)
			}
			waiting := storeLines(t, bus, 2)
			if pause {
				reopen(t, bus)
				c, err := js.Consumer(ctx, streams.Cytube, lostDurable)
				if err != nil || c.CachedInfo().Config.PauseUntil == nil || !c.CachedInfo().Config.PauseUntil.Equal(until) {
					t.Fatalf("it is not paused any more: %v, %v", c, err)
				}
				if _, err := js.ResumeConsumer(ctx, streams.Cytube, lostDurable); err != nil {
					t.Fatal(err)
				}
			}
			handleLines(t, bus, waiting)
		})
	}
}

// One that is deleted for good starts as a new one when it comes back.
func TestDeletedDurableForgetsItsCheckpoint(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	handleLines(t, bus, storeLines(t, bus, 1))
	if err := streams.DeleteDurable(ctx, bus.JetStream(), streams.Cytube, lostDurable); err != nil {
		t.Fatal(err)
	}
	storeLines(t, bus, 2)
	reopen(t, bus)
	handleLines(t, bus, storeLines(t, bus, 1))
}

// A plugin's durable that was removed handles nothing again when it comes back: it begins after
// what was there then, or goes on where it stood if it reads the past.
func TestRemovedDurableHandlesNothingAgain(t *testing.T) {
	t.Parallel()
	for durable, want := range map[string]uint64{streams.Durable("x"): 4, streams.PastDurable("x"): 2} {
		t.Run(durable, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			ctx, js, c := streamstest.Context(t), bus.JetStream(), lostConfig()
			c.Durable, c.Since = durable, time.Now().Add(-time.Hour)
			var open jetstream.Consumer
			reopen := func() {
				err := consumers.Open(ctx, bus, c)
				if err == nil {
					open, err = js.Consumer(ctx, streams.Cytube, durable)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			storeLines(t, bus, 3)
			reopen()
			msg, err := open.Next()
			if err == nil {
				err = errors.Join(msg.DoubleAck(ctx), streams.RemoveDurable(ctx, js, streams.Cytube, durable))
			}
			if err != nil {
				t.Fatal(err)
			}
			storeLines(t, bus, 1)
			reopen()
			if got := open.CachedInfo().Config.OptStartSeq; got != want {
				t.Errorf("it begins at %d, want %d", got, want)
			}
		})
	}
}

// lostConfig is the configuration of a consumer that begins now, as of one that is new.
func lostConfig() consumers.Config {
	return consumers.Config{Durable: lostDurable, Stream: streams.Cytube, Subjects: []string{event.SubjectChat}, Name: "lost", Since: time.Now()}
}

func reopen(t *testing.T, bus *streams.Bus) {
	t.Helper()
	if err := consumers.Open(streamstest.Context(t), bus, lostConfig()); err != nil {
		t.Fatal(err)
	}
}

// storeLines stores n chat lines.
func storeLines(t *testing.T, bus *streams.Bus, n int) (stored []event.Ref) {
	t.Helper()
	for range n {
		stored = append(stored, streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "hi", Channel: "main", Time: 1}).Ref)
	}
	return stored
}

// handleLines runs the consumer until it has handled as many lines as are wanted, and
// checks that it was those.
func handleLines(t *testing.T, bus *streams.Bus, want []event.Ref) {
	t.Helper()
	ctx, stop := context.WithCancel(streamstest.Context(t))
	defer stop()
	var got []event.Ref
	c := lostConfig()
	c.Observe = func(consumers.Outcome) {
		if len(got) == len(want) {
			stop()
		}
	}
	if want[0].Seq == 1 {
		c.Since = time.Time{}
	}
	_ = consumers.Run(ctx, bus, c, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		got = append(got, d.Ref)
		return nil, nil
	})
	if !slices.Equal(got, want) {
		t.Fatalf("it handled %v, want %v", got, want)
	}
}

func awaitCheckpoint(t *testing.T, js jetstream.JetStream, settled int, paused bool) {
	t.Helper()
	kv, err := js.KeyValue(streamstest.Context(t), streams.Checkpoints)
	if err != nil {
		t.Fatal(err)
	}
	updates, err := kv.Watch(streamstest.Context(t), streams.Cytube+"."+lostDurable)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = updates.Stop() }()
	for entry := range updates.Updates() {
		var have map[string]any
		if entry != nil && json.Unmarshal(entry.Value(), &have) == nil && have["settled"] == float64(settled) && (have["pause_until"] != nil) == paused {
			return
		}
	}
	t.Fatal("no checkpoint")
}
