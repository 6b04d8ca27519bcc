package streamstest

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
)

// Stored returns all events of a stream in order. A malformed event is returned
// as far as it can be decoded.
func Stored(t testing.TB, bus *streams.Bus, stream string) []streams.Stored {
	t.Helper()
	s, err := bus.JetStream().Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	var all []streams.Stored
	for seq := max(1, s.CachedInfo().State.FirstSeq); seq <= s.CachedInfo().State.LastSeq; seq++ {
		raw, err := s.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		e, err := streams.ReadRaw(stream, raw)
		if err != nil {
			t.Logf("%s:%d is malformed: %v", stream, seq, err)
		}
		all = append(all, e)
	}
	return all
}
