package streamstest

import (
	"slices"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// LeaveFiller stores what a process leaves in a stream if it dies between advancing
// the sequence and purging.
func LeaveFiller(t testing.TB, bus *streams.Bus, stream string) event.Ref {
	t.Helper()
	specs := streams.Specs()
	i := slices.IndexFunc(specs, func(s streams.Spec) bool { return s.Name == stream })
	ack, err := bus.JetStream().Publish(Context(t), specs[i].FillerSubject(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return event.Ref{Stream: stream, Seq: ack.Sequence}
}
