package streamstest

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// LeaveFiller stores what a process leaves in a stream if it dies between advancing
// the sequence and purging.
func LeaveFiller(t testing.TB, bus *streams.Bus, stream string) event.Ref {
	t.Helper()
	ctx := Context(t)
	s, err := bus.JetStream().Stream(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	info := s.CachedInfo()
	published, err := bus.Conn().SubscribeSync(info.Config.Subjects[len(info.Config.Subjects)-1])
	if err != nil {
		t.Fatal(err)
	}
	defer published.Unsubscribe()
	if err := streams.AdvanceSequence(ctx, bus.JetStream(), stream, info.State.LastSeq+1); err != nil {
		t.Fatal(err)
	}
	filler, err := published.NextMsgWithContext(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := bus.JetStream().Publish(ctx, filler.Subject, filler.Data)
	if err != nil {
		t.Fatal(err)
	}
	return event.Ref{Stream: stream, Seq: ack.Sequence}
}
