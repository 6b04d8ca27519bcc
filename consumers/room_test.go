package consumers_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// told closes a channel once something is logged.
type told struct {
	text string
	now  chan struct{}
	once sync.Once
}

func (w *told) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.text) {
		w.once.Do(func() { close(w.now) })
	}
	return len(p), nil
}

// What an event causes waits for room in a full store, be it an answer or a dead
// letter: no attempt is used up by that, and nothing is lost.
func TestPublishingWaitsForRoom(t *testing.T) {
	t.Parallel()
	server, err := streams.StartServer(streams.ServerConfig{Store: t.TempDir(), MaxStore: 6 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	bus := streamstest.Bus(t, server)
	log := &told{text: "this waits for room", now: make(chan struct{})}
	full := make(chan struct{})
	settled, _ := start(t, bus, consumers.Config{AckWait: time.Second, Logger: slog.New(slog.NewTextHandler(log, nil))},
		func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
			<-full
			if c, _ := event.As[event.Command](d.Envelope); c.Command == "bad" {
				return nil, consumers.Permanent(errors.New("it never works"))
			}
			return []event.Envelope{say(t, "one"), say(t, "two")}, nil
		})
	command(t, bus, "good")
	command(t, bus, "bad")
	command(t, bus, "good")
	streamstest.Stuff(t, bus)
	close(full)
	next(t, log.now)
	// Longer than the server waits for an acknowledgement of what is not worked on.
	select {
	case o := <-settled:
		t.Fatalf("settled while the store is full: %+v", o)
	case <-time.After(3 * time.Second):
	}
	streamstest.Unstuff(t, bus)
	for i, want := range []string{consumers.Handled, consumers.Dead, consumers.Handled} {
		if o := next(t, settled); o.Result != want || o.Attempt != 1 || o.Duplicates != 0 {
			t.Errorf("event %d: %+v, want %s at the first attempt", i, o, want)
		}
	}
	said, letters := 0, 0
	for _, e := range stored(t, bus, streams.Cytube) {
		if e.Subject == event.SubjectSendChat {
			said++
		}
	}
	for _, e := range stored(t, bus, streams.Plugin) {
		if e.Subject == event.EventSubject("t", event.TypeDeadLetter) {
			letters++
		}
	}
	if said != 4 || letters != 1 {
		t.Errorf("%d answers and %d dead letters, want 4 and 1", said, letters)
	}
	t.Logf("3 events handled while the store was full: %d answers and %d dead letter stored once there was room, each at attempt 1", said, letters)
}
