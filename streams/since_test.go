package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A consumer that begins at a time begins with the first event of any of its
// subjects, also where the stream had others of that subject before and none of
// another one: the server alone skips to the first of the other.
func TestConsumersBeginAtATime(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	chat := func() streams.Ack {
		return streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "hi", Channel: "main", Time: 1})
	}
	first, second, third := chat(), chat(), chat()
	join := streamstest.Publish(t, bus, event.SubjectUserJoin, event.UserJoin{User: "bob", Channel: "main", Time: 1})
	last := chat()
	stream := func(name string) jetstream.Stream {
		t.Helper()
		s, err := bus.JetStream().Stream(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	at := func(a streams.Ack) time.Time {
		t.Helper()
		msg, err := stream(streams.Cytube).GetMsg(ctx, a.Ref.Seq)
		if err != nil {
			t.Fatal(err)
		}
		return msg.Time
	}
	for i, c := range []struct {
		since time.Time
		want  uint64
	}{
		{at(first).Add(-time.Hour), first.Ref.Seq},
		{at(second), second.Ref.Seq},
		{at(second).Add(1), third.Ref.Seq},
		{at(join), join.Ref.Seq},
		{at(last).Add(1), last.Ref.Seq + 1},
	} {
		seq, err := streams.SequenceSince(ctx, bus.JetStream(), stream(streams.Cytube), c.since)
		if err != nil || seq != c.want {
			t.Errorf("case %d: the first since then is %d, %v, want %d", i, seq, err, c.want)
		}
	}
	if seq, err := streams.SequenceSince(ctx, bus.JetStream(), stream(streams.Platform), at(first)); seq != 1 || err != nil {
		t.Errorf("of an empty stream: %d, %v", seq, err)
	}

	running, cancel := context.WithCancel(ctx)
	defer cancel()
	var got []uint64
	cfg := consumers.Config{Durable: "late", Stream: streams.Cytube, Name: "late", Since: at(second), Subjects: []string{event.SubjectUserJoin, event.SubjectChat}}
	err := consumers.Run(running, bus, cfg, func(_ context.Context, s streams.Stored) ([]event.Envelope, error) {
		if got = append(got, s.Ref.Seq); s.Ref == last.Ref {
			cancel()
		}
		return nil, nil
	})
	if len(got) != 4 || got[0] != second.Ref.Seq || !errors.Is(err, context.Canceled) {
		t.Errorf("a consumer that begins with %s was given %v, %v", second.Ref, got, err)
	}
}
