package replay

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// On a cluster all that was acknowledged before is read, also where a server that
// still has to store it has the consumer or is the one that answers. Any of three
// may be, and here two lag.
func TestReadOnACluster(t *testing.T) {
	streamstest.Slow(t, "runs a cluster")
	t.Parallel()
	ctx := streamstest.Context(t)
	conns, servers := streamstest.Cluster(t)
	js, err := jetstream.New(conns[0])
	if err != nil {
		t.Fatal(err)
	}
	create := func(name, subjects string) jetstream.Stream {
		t.Helper()
		s, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{subjects}, Replicas: 3, AllowDirect: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	cytube := create(streams.Cytube, event.AllCytube)
	create(streams.Platform, event.AllPlatform)
	const chat, join, heartbeat = 0, 5, 3
	kinds := []int{chat, heartbeat, join, chat}
	var refs []event.Ref // of event i, which is of the kind kinds[i%len(kinds)]
	publish := func(n int) time.Time {
		t.Helper()
		for range n {
			ack, err := js.Publish(ctx, samples[kinds[len(refs)%len(kinds)]].subject, []byte("{}"))
			if err != nil {
				t.Fatal(err)
			}
			refs = append(refs, event.Ref{Stream: ack.Stream, Seq: ack.Sequence})
		}
		return time.Now()
	}
	const early, late = 20, 20
	begun := publish(early / 2)
	publish(early / 2)
	ended := make(chan struct{})
	resume := streamstest.Lag(t, servers, cytube)
	end := sync.OnceFunc(func() { resume(); close(ended) })
	defer end()
	// A server may be given consumer after consumer for longer than anything lags.
	defer time.AfterFunc(30*time.Second, end).Stop()
	middle := publish(late / 2)
	last := publish(late / 2)

	// read reads what a query matches of the events [from, to). Stuck is called when
	// nothing more comes, unless it has.
	read := func(q Query, from, to int, stuck func()) {
		stuck = sync.OnceFunc(stuck)
		defer stuck()
		var got, want []event.Ref
		soon := 0 // how many a server that lags has
		for i, ref := range refs[from:to] {
			if i += from; matchesAny(q.Subjects, samples[kinds[i%len(kinds)]].subject) {
				want = append(want, ref)
				if i < early {
					soon++
				}
			}
		}
		q.onIdle = func() {
			if len(got) >= soon {
				stuck()
			}
		}
		for e, err := range Read(ctx, js, q) {
			if err != nil {
				t.Errorf("after %d events: %v", len(got), err)
				return
			}
			got = append(got, e.Ref)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d events are read where %d were acknowledged: %v, want %v", q.Filter, len(got), len(want), got, want)
		}
	}
	// One that does not catch up is left for another.
	read(Query{}, 0, len(refs), func() {})

	// Whoever asks one of the two that lag is answered by it, once it answers at all,
	// which it does two seconds after there is a stream.
	first := slices.IndexFunc(refs[early+late/2:], func(r event.Ref) bool { return r.Stream == streams.Cytube })
	want := refs[early+late/2+first].Seq
	soonest := 0 // how many of the stream a server that lags has
	for _, ref := range refs[:early] {
		if ref.Stream == streams.Cytube {
			soonest++
		}
	}
	lagging := map[int]bool{}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for asked := 0; len(lagging) < 2; asked++ {
		on := asked % len(conns)
		js, err := jetstream.New(conns[on])
		if err != nil {
			t.Fatal(err)
		}
		s, err := js.Stream(ctx, streams.Cytube)
		if err == nil {
			_, err = s.GetMsg(ctx, want)
		}
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			lagging[on] = true
			if seq, err := SequenceAt(ctx, js, streams.Cytube, middle); err != nil || seq != want {
				t.Errorf("the first event since then is %d, %v, want %d", seq, err, want)
			}
		case err != nil:
			t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Log("the lag was over before both servers had answered")
			lagging = map[int]bool{0: true, 1: true}
		}
	}

	var readers, reading sync.WaitGroup
	for on := range conns {
		reading.Add(1)
		readers.Go(func() {
			js, err := jetstream.New(conns[on])
			if err != nil {
				t.Error(err)
			}
			stuck := sync.OnceFunc(reading.Done)
			defer stuck()
			var got []uint64
			for e, err := range Slice(ctx, js, streams.Cytube, []string{event.AllCytube}, 1, want+1) {
				if err != nil {
					t.Error(err)
					break
				}
				if got = append(got, e.Ref.Seq); len(got) == soonest {
					stuck()
				}
			}
			if n := int(want); len(got) != n || got[n-1] != want {
				t.Errorf("a slice up to %d has %v", want, got)
			}
		})
	}
	for _, c := range []struct {
		q        Filter
		from, to int
	}{
		{Filter{}, 0, len(refs)},
		{Filter{Subjects: []string{event.SubjectChat}}, 0, len(refs)},
		{Filter{Subjects: []string{event.SubjectUserJoin, event.AllPlatform}}, 0, len(refs)},
		{Filter{Since: begun}, early / 2, len(refs)},
		{Filter{Since: middle}, early + late/2, len(refs)},
		{Filter{Since: begun, Until: middle}, early / 2, early + late/2},
		{Filter{Until: last}, 0, len(refs)},
	} {
		reading.Add(1)
		readers.Go(func() { read(Query{Filter: c.q}, c.from, c.to, reading.Done) })
	}
	reached := make(chan struct{})
	go func() { reading.Wait(); close(reached) }()
	select {
	case <-reached:
	case <-ended:
	}
	end()
	readers.Wait()
	for left := 1; left > 0; {
		info, err := cytube.Info(ctx)
		if err != nil {
			t.Fatalf("%d consumers are left: %v", left, err)
		}
		left = info.State.Consumers
		<-tick.C
	}
}
