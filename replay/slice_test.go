package replay

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// chatter stores n chat lines, with a join after every third.
func chatter(ctx context.Context, t *testing.T, bus *streams.Bus, n int) {
	t.Helper()
	for i := range n {
		publish(ctx, t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "hi", Channel: "lounge", Rank: 1, Time: int64(i)})
		if i%3 == 2 {
			publish(ctx, t, bus, event.SubjectUserJoin, event.UserJoin{User: "bob", Channel: "lounge", Rank: 1, Time: int64(i)})
		}
	}
}

func publish(ctx context.Context, t *testing.T, bus *streams.Bus, subject string, payload any) event.Ref {
	t.Helper()
	e, err := event.New(subject, payload)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := bus.Publish(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	return ack.Ref
}

func sequences(t *testing.T, events func(func(Event, error) bool)) []uint64 {
	t.Helper()
	var seqs []uint64
	for e, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, e.Ref.Seq)
	}
	return seqs
}

func TestSlice(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	js := bus.JetStream()
	slice := func(patterns []string, from, to uint64) []uint64 {
		return sequences(t, Slice(ctx, js, streams.Cytube, patterns, from, to))
	}
	if got := slice([]string{event.AllCytube}, 1, 100); len(got) != 0 {
		t.Errorf("an empty stream has %v", got)
	}
	chatter(ctx, t, bus, 9) // joins are 4, 8 and 12
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(ctx, 6); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		patterns []string
		from, to uint64
		want     []uint64
	}{
		{"all, without what is deleted", []string{event.AllCytube}, 1, 13, []uint64{1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12}},
		{"bounds", []string{event.AllCytube}, 3, 8, []uint64{3, 4, 5, 7}},
		{"a pattern", []string{event.SubjectUserJoin}, 1, 12, []uint64{4, 8}},
		{"from what is deleted", []string{event.AllCytube}, 6, 7, nil},
		{"past the end", []string{event.AllCytube}, 12, 1000, []uint64{12}},
		{"nothing", []string{event.AllCytube}, 5, 5, nil},
	} {
		if got := slice(test.patterns, test.from, test.to); !slices.Equal(got, test.want) {
			t.Errorf("%s: [%d, %d) is %v, want %v", test.name, test.from, test.to, got, test.want)
		}
	}
	if names := s.ListConsumers(ctx); len(drain(names)) != 0 {
		t.Error("a consumer was made")
	}
}

func drain(l jetstream.ConsumerInfoLister) (all []*jetstream.ConsumerInfo) {
	for info := range l.Info() {
		all = append(all, info)
	}
	return all
}

func TestSliceOfManyBatches(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	const n = 2*1000 + 500
	for range n {
		if _, err := bus.JetStream().PublishAsync(event.SubjectChat, []byte(`{"user":"alice","message":"hi","channel":"lounge","rank":1,"time":1}`), jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	<-bus.JetStream().PublishAsyncComplete()
	got := sequences(t, Slice(ctx, bus.JetStream(), streams.Cytube, []string{event.SubjectChat}, 11, n+1))
	if len(got) != n-10 || got[0] != 11 || !slices.IsSorted(got) || got[len(got)-1] != n {
		t.Errorf("%d events from %d to %d", len(got), got[0], got[len(got)-1])
	}
}

func TestSequenceAt(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	chatter(ctx, t, bus, 2)
	between := time.Now()
	chatter(ctx, t, bus, 2)
	for _, test := range []struct {
		at   time.Time
		want uint64
	}{{between.Add(-time.Hour), 1}, {between, 3}, {between.Add(time.Hour), 5}} {
		got, err := SequenceAt(ctx, bus.JetStream(), streams.Cytube, test.at)
		if err != nil || got != test.want {
			t.Errorf("at %s: %d, %v, want %d", test.at, got, err, test.want)
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	chatter(ctx, t, bus, 6) // joins are 4 and 8
	tailing, stop := context.WithCancel(ctx)
	var got []uint64
	for e, err := range Tail(tailing, bus.JetStream(), streams.Cytube, []string{event.SubjectChat}, 2) {
		if err != nil {
			if tailing.Err() == nil {
				t.Fatal(err)
			}
			break
		}
		got = append(got, e.Ref.Seq)
		switch e.Ref.Seq {
		case 7: // all of the past
			chatter(ctx, t, bus, 1)
		case 9:
			stop()
		}
	}
	stop()
	if want := []uint64{3, 5, 6, 7, 9}; !slices.Equal(got, want) {
		t.Errorf("after 2 come %v, want %v", got, want)
	}
	s, err := bus.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if left := drain(s.ListConsumers(ctx)); len(left) != 0 {
		t.Errorf("%d consumers are left behind", len(left))
	}
}
