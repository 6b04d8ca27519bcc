package kvstore

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// openBucket opens the collection c with a store of its own.
func openBucket(t *testing.T, nc *nats.Conn, opts ...Option) *bucket {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewStore(js, append(opts, WithLogger(slog.New(slog.DiscardHandler)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	b, err := s.open(streamstest.Context(t), "c", true)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readAll scans the collection, and counts how often each record comes.
func readAll(ctx context.Context, b *bucket, f func(e entry) error) (seen map[event.ID]int, err error) {
	revisions, err := b.revisions(ctx)
	if err != nil {
		return nil, err
	}
	seen = map[event.ID]int{}
	return seen, b.scan(ctx, revisions, func(e entry) error {
		seen[e.id]++
		return f(e)
	})
}

func nothing(entry) error { return nil }

// publish writes n entries fast, past the store.
func publish(t *testing.T, b *bucket, n int, msg func(i int) *nats.Msg) {
	t.Helper()
	for i := range n {
		if _, err := b.store.js.PublishMsgAsync(msg(i), jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	<-b.store.js.PublishAsyncComplete()
}

func numbered(i int) event.ID { return event.ID(fmt.Sprint("r", i)) }

// A record whose entry is pushed out by newer ones before the scan comes to it is
// not left out, and comes after those that were not.
func TestScanFindsWhatWasRewritten(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	b := openBucket(t, streamstest.Connect(t, streamstest.Server(t)), WithHistory(1))
	const records = 6000 // more than are fetched ahead
	publish(t, b, records, func(i int) *nats.Msg { return &nats.Msg{Subject: b.subject(numbered(i)), Data: []byte(`{"v":0}`)} })
	var last uint64
	values := map[event.ID]string{}
	seen, err := readAll(ctx, b, func(e entry) error {
		if values[e.id] = string(e.data); e.revision <= last {
			t.Errorf("%s at %d comes after %d", e.id, e.revision, last)
		}
		if last = e.revision; len(values) > 1 {
			return nil
		}
		for _, i := range []int{0, records - 2, records - 1} {
			if _, err := b.store.js.Publish(ctx, b.subject(numbered(i)), []byte(`{"v":1}`)); err != nil {
				return err
			}
		}
		_, err := b.store.Delete(ctx, event.Delete{Collection: "c", ID: numbered(records - 3)})
		return err
	})
	if err != nil || len(seen) != records-1 {
		t.Errorf("%d of %d records, %v", len(seen), records-1, err)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	if v := values[numbered(records-1)]; v != `{"v":1}` {
		t.Errorf("the last record is %s", v)
	}
}

// Deleted records that are forgotten while a scan reads do not keep it from
// ending.
func TestScanDuringCompaction(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	b := openBucket(t, streamstest.Connect(t, streamstest.Server(t)))
	publish(t, b, 3000, func(i int) *nats.Msg { return &nats.Msg{Subject: b.subject(numbered(i)), Data: []byte(`{}`)} })
	publish(t, b, 10, func(i int) *nats.Msg {
		return &nats.Msg{Subject: b.subject(numbered(2990 + i)), Header: nats.Header{headerOperation: {"DEL"}}}
	})
	compacted := false
	seen, err := readAll(ctx, b, func(entry) error {
		if compacted {
			return nil
		}
		compacted = true
		if n, err := b.store.Compact(ctx, "c", 0); err != nil || n != 10 {
			return fmt.Errorf("compacted %d: %w", n, err)
		}
		_, err := b.store.js.Publish(ctx, b.subject("new"), []byte(`{}`))
		return err
	})
	if err != nil || len(seen) != 2990 {
		t.Errorf("%d records: %v", len(seen), err)
	}
}

// Whatever several stores insert meanwhile, a scan has every record whose write
// was acknowledged before it.
func TestScansUnderInserts(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	server := streamstest.Server(t)
	b := openBucket(t, streamstest.Connect(t, server))
	inserting, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	var mu sync.Mutex
	var written []event.ID
	for range 3 {
		s := openBucket(t, streamstest.Connect(t, server)).store
		wait.Go(func() {
			for pace := rate.NewLimiter(50, 1); pace.Wait(inserting) == nil; {
				w, err := s.Set(ctx, event.Set{Collection: "c", Data: json.RawMessage(`{}`)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				written = append(written, w.ID)
				mu.Unlock()
			}
		})
	}
	for range 20 {
		mu.Lock()
		before := slices.Clone(written)
		mu.Unlock()
		seen, err := readAll(ctx, b, nothing)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range before {
			if seen[id] != 1 {
				t.Fatalf("%s came %d times; %d records were there before", id, seen[id], len(before))
			}
		}
	}
}

// On a cluster a scan sees every write that was acknowledged before it, also
// while the other servers still have to store it.
func TestScanOfWhatWasJustWritten(t *testing.T) {
	streamstest.Slow(t, "writes thousands of records")
	t.Parallel()
	ctx := streamstest.Context(t)
	conns, _ := streamstest.Cluster(t)
	b := openBucket(t, conns[0], WithReplicas(3))
	const records = 100
	for revision := 1; revision <= 5; revision++ {
		want := fmt.Sprintf(`{"v":%d}`, revision)
		publish(t, b, records, func(i int) *nats.Msg { return &nats.Msg{Subject: b.subject(numbered(i)), Data: []byte(want)} })
		seen, err := readAll(ctx, b, func(e entry) error {
			if string(e.data) != want {
				t.Errorf("%s is %s, want %s", e.id, e.data, want)
			}
			return nil
		})
		if err != nil || len(seen) != records {
			t.Fatalf("%d of %d records: %v", len(seen), records, err)
		}
	}
}
