package streamstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
)

// Stored returns all events of a stream in order. A malformed event is returned
// as far as it can be decoded.
func Stored(t testing.TB, bus *streams.Bus, stream string) []streams.Stored {
	t.Helper()
	var all []streams.Stored
	for raw, err := range streams.Messages(t.Context(), bus.JetStream(), streams.Selection{Stream: stream}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := streams.ReadRaw(stream, raw)
		if err != nil {
			t.Logf("%s:%d is malformed: %v", stream, raw.Sequence, err)
		}
		all = append(all, e)
	}
	return all
}

// Recorded waits until a stream holds n messages. Streams of requests do not acknowledge: they may record
// a request after it was answered.
func Recorded(t testing.TB, js jetstream.JetStream, stream string, n uint64) {
	t.Helper()
	var got uint64
	err := retry.Do(Context(t), retry.Every(10*time.Millisecond), func(ctx context.Context) error {
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		if got = s.CachedInfo().State.Msgs; got < n {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || got > n {
		t.Fatalf("%s holds %d messages, want %d: %v", stream, got, n, err)
	}
}
