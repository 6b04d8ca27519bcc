package streamstest

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// ForgetMessageIDs makes a stream forget message IDs after a tenth of a second.
func ForgetMessageIDs(t testing.TB, js jetstream.JetStream, stream string) {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	config := s.CachedInfo().Config
	// Update it twice, as the server applies the window of before to the IDs it holds
	// when its timer fires before the update has ended.
	for _, window := range []time.Duration{101 * time.Millisecond, 100 * time.Millisecond} {
		config.Duplicates = window
		if _, err := js.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
}

// AwaitForgotten publishes on a subject of a stream that forgets until the server has
// forgotten the message IDs of all that was stored before. It may be called by any goroutine.
func AwaitForgotten(ctx context.Context, t testing.TB, bus *streams.Bus, subject string, payload any) {
	t.Helper()
	e, err := event.New(subject, payload)
	if err != nil {
		t.Error(err)
		return
	}
	for stored := 0; stored < 2; {
		ack, err := bus.Publish(ctx, e, streams.WithMsgID("probe"))
		if err != nil {
			t.Error(err)
			return
		}
		if !ack.Duplicate {
			stored++
		}
	}
}
