package streamstest

import (
	"testing"

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
