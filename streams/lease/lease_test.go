package lease_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams/lease"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// short is a term that tests can wait for.
const short = 2 * time.Second

// open opens the leases of a process that is connected through nc.
func open(t *testing.T, nc *nats.Conn, name string) *lease.Leases {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ls, err := lease.Open(streamstest.Context(t), nc, js, 1, name, short, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return ls
}

// holder is a process that wants a lease, or has it.
type holder struct {
	*lease.Lease
	holds chan struct{} // is sent each time it gets the lease
	stop  context.CancelFunc
	done  chan error
}

// speaking counts the processes that hold a lease at a time.
type speaking struct {
	now, most atomic.Int32
}

func (s *speaking) hold(t *testing.T, l *lease.Lease) *holder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &holder{Lease: l, holds: make(chan struct{}, 100), stop: cancel, done: make(chan error, 1)}
	go func() {
		h.done <- l.Hold(ctx, func(ctx context.Context) error {
			if n := s.now.Add(1); n > s.most.Load() {
				s.most.Store(n)
			}
			defer s.now.Add(-1)
			h.holds <- struct{}{}
			<-ctx.Done()
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); h.done <- <-h.done })
	return h
}

func (h *holder) await(t *testing.T) {
	t.Helper()
	select {
	case <-h.holds:
	case <-streamstest.Context(t).Done():
		t.Fatal("it did not get the lease")
	}
}

// One of two holds the lease, and the other knows who. Given up, it passes on at
// once.
func TestOneHolds(t *testing.T) {
	streamstest.Slow(t, "waits for leases to end")
	t.Parallel()
	s := streamstest.Server(t)
	var both speaking
	first := both.hold(t, open(t, streamstest.Connect(t, s), "first").New("channel.lounge"))
	first.await(t)
	second := both.hold(t, open(t, streamstest.Connect(t, s), "second").New("channel.lounge"))
	apart := both.hold(t, open(t, streamstest.Connect(t, s), "second").New("channel.movies"))
	apart.await(t) // another key is another lease
	ctx := streamstest.Context(t)
	wait(t, ctx, func() bool { o, ok := second.OtherHolder(); return ok && o.Holder == "first" })
	if !first.Valid() || second.Valid() || !apart.Valid() {
		t.Errorf("valid: %t, %t, %t", first.Valid(), second.Valid(), apart.Valid())
	}
	if _, ok := first.OtherHolder(); ok {
		t.Error("the holder says that another holds it")
	}
	// Renewals keep it longer than a term.
	time.AfterFunc(short*3/2, first.stop)
	if err := <-first.done; err != nil {
		t.Error(err)
	}
	first.done <- nil
	second.await(t)
	if first.Valid() || !second.Valid() {
		t.Errorf("valid: %t, %t", first.Valid(), second.Valid())
	}
	apart.stop()
	second.stop()
	if n := both.most.Load(); n != 2 { // one for each key
		t.Errorf("%d held the two leases at a time", n)
	}
}

// A holder that was killed is followed after its term, and not before.
func TestHolderIsKilled(t *testing.T) {
	streamstest.Slow(t, "waits for leases to end")
	t.Parallel()
	s := streamstest.Server(t)
	var both speaking
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	first := both.hold(t, open(t, nc, "first").New("k"))
	first.await(t)
	second := both.hold(t, open(t, streamstest.Connect(t, s), "second").New("k"))
	ctx := streamstest.Context(t)
	wait(t, ctx, func() bool { _, ok := second.OtherHolder(); return ok })
	nc.Close() // from here on it renews nothing
	second.await(t)
	if first.Valid() {
		t.Error("both hold the lease")
	}
	if n := both.most.Load(); n != 1 {
		t.Errorf("%d held the lease at a time", n)
	}
}

// What fails while it holds the lease gives it up.
func TestFailureGivesTheLeaseUp(t *testing.T) {
	t.Parallel()
	s := streamstest.Server(t)
	broken := errors.New("broken")
	ctx := streamstest.Context(t)
	if err := open(t, streamstest.Connect(t, s), "first").New("k").Hold(ctx, func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("Hold returned %v", err)
	}
	var next speaking
	next.hold(t, open(t, streamstest.Connect(t, s), "second").New("k")).await(t)
}

// Many that want one lease hold it one after the other.
func TestManyWantIt(t *testing.T) {
	t.Parallel()
	s := streamstest.Server(t)
	var all speaking
	var wg sync.WaitGroup
	ctx := streamstest.Context(t)
	for range 8 {
		l := open(t, streamstest.Connect(t, s), "one of many").New("k")
		wg.Go(func() {
			err := l.Hold(ctx, func(context.Context) error {
				if n := all.now.Add(1); n > all.most.Load() {
					all.most.Store(n)
				}
				defer all.now.Add(-1)
				if !l.Valid() {
					t.Error("it is called and does not hold the lease")
				}
				return nil
			})
			if err != nil || ctx.Err() != nil {
				t.Errorf("%v, %v", err, ctx.Err())
			}
		})
	}
	wg.Wait()
	if n := all.most.Load(); n != 1 {
		t.Errorf("%d held the lease at a time", n)
	}
}

func wait(t *testing.T, ctx context.Context, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not happen")
		}
	}
}

// Who waits for a vacancy takes a lease that nobody has held for that long, and not
// before: a holder that starts anew has it back.
func TestAfterAVacancy(t *testing.T) {
	t.Parallel()
	const vacancy = 6 * time.Second
	for name, end := range map[string]func(t *testing.T, nc *nats.Conn, h *holder){
		"given up": func(t *testing.T, nc *nats.Conn, h *holder) { h.stop(); <-h.done; h.done <- nil },
		"killed":   func(t *testing.T, nc *nats.Conn, h *holder) { nc.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := streamstest.Server(t)
			nc, err := s.Connect()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)
			var both, others speaking
			first := both.hold(t, open(t, nc, "first").New("k"))
			first.await(t)
			patient := others.hold(t, open(t, streamstest.Connect(t, s), "patient").New("k").After(vacancy))
			wait(t, streamstest.Context(t), func() bool { _, ok := patient.OtherHolder(); return ok })
			end(t, nc, first)
			again := both.hold(t, open(t, streamstest.Connect(t, s), "again").New("k"))
			select {
			case <-again.holds:
			case <-patient.holds:
				t.Fatal("it did not wait")
			case <-streamstest.Context(t).Done():
				t.Fatal("nobody got the lease")
			}
			again.stop()
			patient.await(t)
		})
	}
}

// A bucket that was deleted and made again leaves the lease with who holds it: others wait
// until that one could write it again.
func TestDeletedBucket(t *testing.T) {
	t.Parallel()
	for by, remade := range map[string]bool{"a bot that runs": true, "a bot that starts": false} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			deleteBucket(t, remade)
		})
	}
}

func deleteBucket(t *testing.T, remade bool) {
	server := streamstest.Server(t)
	if !remade { // which it knows by the events
		streamstest.Publish(t, streamstest.Bus(t, server), event.SubjectChat, event.Chat{User: "alice", Message: "hi", Channel: "main"})
	}
	nc := streamstest.Connect(t, server)
	var s speaking
	a := s.hold(t, open(t, nc, "a").New("x"))
	a.await(t)
	b := s.hold(t, open(t, streamstest.Connect(t, server), "b").New("x"))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := streamstest.Context(t)
	if err := js.DeleteKeyValue(ctx, lease.Bucket); err != nil {
		t.Fatal(err)
	}
	// The server may still be removing the old one's files.
	if err := retry.Do(ctx, retry.Every(short/20), func(ctx context.Context) error {
		ls, err := lease.Open(ctx, nc, js, 1, "a", short, slog.New(slog.DiscardHandler))
		if err != nil || !remade {
			return err
		}
		return ls.Recreated(ctx)
	}); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(short / 10)
	defer tick.Stop()
	for range 20 { // two terms
		<-tick.C
	}
	if !a.Valid() || b.Valid() || s.most.Load() != 1 {
		t.Errorf("the holder has it: %v, the other: %v, at most %d at a time", a.Valid(), b.Valid(), s.most.Load())
	}
	a.stop()
	b.await(t) // also though the revisions have begun again
}
