package replay

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

const (
	// lagEarly and lagLate are how many events are stored before and after two of the
	// three servers of a laggingCluster begin to lag.
	lagEarly, lagLate = 20, 20
)

// lagKinds are the samples that a laggingCluster stores in turn: chat, heartbeat, join.
var lagKinds = []int{0, 3, 5, 0}

// A laggingCluster has three servers, two of which lag behind the third.
type laggingCluster struct {
	t      *testing.T
	conns  []*nats.Conn
	js     jetstream.JetStream
	cytube jetstream.Stream
	refs   []event.Ref // of event i, which is of the kind lagKinds[i%len(lagKinds)]
	begun  time.Time   // after a half of the early events
	middle time.Time   // after a half of the late events
	last   time.Time
	ended  chan struct{} // closed when the lag is over
	end    func()        // ends the lag
}

func newLaggingCluster(t *testing.T) *laggingCluster {
	t.Helper()
	conns, servers := streamstest.Cluster(t)
	js, err := jetstream.New(conns[0])
	if err != nil {
		t.Fatal(err)
	}
	c := &laggingCluster{t: t, conns: conns, js: js, ended: make(chan struct{})}
	c.cytube = c.create(streams.Cytube, event.AllCytube)
	c.create(streams.Platform, event.AllPlatform)
	c.begun = c.publish(lagEarly / 2)
	c.publish(lagEarly / 2)
	resume := streamstest.Lag(t, servers, c.cytube)
	c.end = sync.OnceFunc(func() { resume(); close(c.ended) })
	t.Cleanup(c.end)
	// A server may be given consumer after consumer for longer than anything lags.
	timer := time.AfterFunc(30*time.Second, c.end)
	t.Cleanup(func() { timer.Stop() })
	c.middle = c.publish(lagLate / 2)
	c.last = c.publish(lagLate / 2)
	return c
}

func (c *laggingCluster) create(name, subjects string) jetstream.Stream {
	c.t.Helper()
	s, err := c.js.CreateStream(c.t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subjects}, Replicas: 3, AllowDirect: true})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// publish stores n events and returns the time after that.
func (c *laggingCluster) publish(n int) time.Time {
	c.t.Helper()
	for range n {
		ack, err := c.js.Publish(c.t.Context(), samples[lagKinds[len(c.refs)%len(lagKinds)]].subject, []byte("{}"))
		if err != nil {
			c.t.Fatal(err)
		}
		c.refs = append(c.refs, event.Ref{Stream: ack.Stream, Seq: ack.Sequence})
	}
	return time.Now()
}

// read reads what a query matches of the events [from, to). Stuck is called when
// nothing more comes, unless it has.
func (c *laggingCluster) read(ctx context.Context, q Query, from, to int, stuck func()) {
	stuck = sync.OnceFunc(stuck)
	defer stuck()
	var got, want []event.Ref
	soon := 0 // how many a server that lags has
	for i, ref := range c.refs[from:to] {
		if i += from; matchesFilter(q.Subjects, samples[lagKinds[i%len(lagKinds)]].subject) {
			want = append(want, ref)
			if i < lagEarly {
				soon++
			}
		}
	}
	q.onIdle = func() {
		if len(got) >= soon {
			stuck()
		}
	}
	for e, err := range Read(ctx, c.js, q) {
		if err != nil {
			c.t.Errorf("after %d events: %v", len(got), err)
			return
		}
		got = append(got, e.Ref)
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("%s: %d events are read where %d were acknowledged: %v, want %v", q.Filter, len(got), len(want), got, want)
	}
}

// readSlice reads CYTUBE up to a sequence, through one server. Stuck is called when
// there is no more than a server that lags has.
func (c *laggingCluster) readSlice(ctx context.Context, on int, last uint64, soon int, stuck func()) {
	stuck = sync.OnceFunc(stuck)
	defer stuck()
	js, err := jetstream.New(c.conns[on])
	if err != nil {
		c.t.Error(err)
		return
	}
	var got []uint64
	for e, err := range Slice(ctx, js, streams.Cytube, []string{event.AllCytube}, 1, last+1) {
		if err != nil {
			c.t.Error(err)
			break
		}
		if got = append(got, e.Ref.Seq); len(got) == soon {
			stuck()
		}
	}
	if n := int(last); len(got) != n || got[n-1] != last {
		c.t.Errorf("a slice up to %d has %v", last, got)
	}
}

// awaitLag waits until two servers answer without an event of CYTUBE, or the lag is
// over. A server answers by itself two seconds after there is a stream.
func (c *laggingCluster) awaitLag(ctx context.Context, seq uint64) {
	c.t.Helper()
	lagging := map[int]bool{}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for asked := 0; len(lagging) < 2; asked++ {
		on := asked % len(c.conns)
		js, err := jetstream.New(c.conns[on])
		if err != nil {
			c.t.Fatal(err)
		}
		s, err := js.Stream(ctx, streams.Cytube)
		if err == nil {
			_, err = s.GetMsg(ctx, seq)
		}
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			lagging[on] = true
			if first, err := SequenceAt(ctx, js, streams.Cytube, c.middle); err != nil || first != seq {
				c.t.Errorf("the first event since then is %d, %v, want %d", first, err, seq)
			}
		case err != nil:
			c.t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-c.ended:
			c.t.Log("the lag was over before both servers had answered")
			return
		}
	}
}

// awaitNoConsumers waits until CYTUBE has no consumer.
func (c *laggingCluster) awaitNoConsumers(ctx context.Context) {
	c.t.Helper()
	for left := 1; left > 0; {
		info, err := c.cytube.Info(ctx)
		if err != nil {
			c.t.Fatalf("%d consumers are left: %v", left, err)
		}
		left = info.State.Consumers
	}
}

// On a cluster all that was acknowledged before is read, also where a server that
// still has to store it has the consumer or is the one that answers. Any of three
// may be, and here two lag.
func TestReadOnACluster(t *testing.T) {
	streamstest.Slow(t, "runs a cluster")
	t.Parallel()
	ctx := streamstest.Context(t)
	c := newLaggingCluster(t)
	c.read(ctx, Query{}, 0, len(c.refs), func() {}) // a consumer that does not catch up is replaced

	isCytube := func(r event.Ref) bool { return r.Stream == streams.Cytube }
	middle := lagEarly + lagLate/2
	seq := c.refs[middle+slices.IndexFunc(c.refs[middle:], isCytube)].Seq
	soon := 0 // how many of CYTUBE a server that lags has
	for _, ref := range c.refs[:lagEarly] {
		if isCytube(ref) {
			soon++
		}
	}
	c.awaitLag(ctx, seq)

	var readers, reading sync.WaitGroup
	for on := range c.conns {
		reading.Add(1)
		readers.Go(func() { c.readSlice(ctx, on, seq, soon, reading.Done) })
	}
	for _, test := range []struct {
		filter   Filter
		from, to int
	}{
		{Filter{}, 0, len(c.refs)},
		{Filter{Subjects: []string{event.SubjectChat}}, 0, len(c.refs)},
		{Filter{Subjects: []string{event.SubjectUserJoin, event.AllPlatform}}, 0, len(c.refs)},
		{Filter{Since: c.begun}, lagEarly / 2, len(c.refs)},
		{Filter{Since: c.middle}, middle, len(c.refs)},
		{Filter{Since: c.begun, Until: c.middle}, lagEarly / 2, middle},
		{Filter{Until: c.last}, 0, len(c.refs)},
	} {
		reading.Add(1)
		readers.Go(func() { c.read(ctx, Query{Filter: test.filter}, test.from, test.to, reading.Done) })
	}
	reached := make(chan struct{})
	go func() { reading.Wait(); close(reached) }()
	select {
	case <-reached:
	case <-c.ended:
	}
	c.end()
	readers.Wait()
	c.awaitNoConsumers(ctx)
}
