package kvstore

import (
	"context"
	"encoding/json"
	"errors"
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

// A record whose entry is pushed out by newer ones before the scan comes to it is
// not left out, and one that was read already is not taken for it.
func TestScanStartsAgainWhenEntriesVanish(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	b := openBucket(t, streamstest.Connect(t, streamstest.Server(t)), WithHistory(1))
	js := b.store.js
	const records = 6000 // more than are fetched ahead
	for i := range records {
		if _, err := js.PublishAsync(b.subject(event.ID(fmt.Sprint("r", i))), []byte(`{"v":0}`), jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	seen := map[event.ID]int{}
	starts := 0
	err := b.scan(ctx, false, func(total int) {
		clear(seen)
		if starts++; total != records {
			t.Errorf("%d records to come", total)
		}
	}, func(id event.ID, e entry) error {
		if seen[id]++; len(seen) == 1 && starts == 1 {
			for _, i := range []int{0, records - 1} {
				if _, err := js.Publish(ctx, b.subject(event.ID(fmt.Sprint("r", i))), []byte(`{"v":1}`)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != records || starts != 2 {
		t.Errorf("%d of %d records after %d starts", len(seen), records, starts)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
}

// Deleted records that are forgotten while a scan reads do not keep it from
// ending.
func TestScanDuringCompaction(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	b := openBucket(t, streamstest.Connect(t, streamstest.Server(t)))
	s, js := b.store, b.store.js
	for i := range 3000 {
		subject := b.subject(event.ID(fmt.Sprint("r", i)))
		if _, err := js.PublishAsync(subject, []byte(`{}`), jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if i >= 2990 {
			msg := nats.NewMsg(subject)
			msg.Header.Set(headerOperation, "DEL")
			if _, err := js.PublishMsgAsync(msg, jetstream.WithStallWait(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-js.PublishAsyncComplete()
	starts, records := 0, 0
	err := b.scan(ctx, false, func(int) { starts++ }, func(_ event.ID, e entry) error {
		if records++; records == 1 {
			if n, err := s.Compact(ctx, "c", 0); err != nil || n != 10 {
				return fmt.Errorf("compacted %d: %w", n, err)
			}
			if _, err := js.Publish(ctx, b.subject("new"), []byte(`{}`)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || starts != 1 || records != 2990 {
		t.Errorf("%d records after %d starts: %v", records, starts, err)
	}
}

// A scan that needs too few entries does not look whether some were pushed out
// before it came to them, so it never does, whatever an insert notes meanwhile.
func TestScanNeedsNoFewer(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	server := streamstest.Server(t)
	b, notes := openBucket(t, streamstest.Connect(t, server)), streamstest.Connect(t, server)
	const records = 50
	for i := range records {
		if _, err := b.store.js.Publish(ctx, b.subject(event.ID(fmt.Sprint("r", i))), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 60 {
		written := make(chan error, 1)
		go func() {
			for i := range 50 {
				if err := notes.Publish(fmt.Sprint(b.prefix, insertedKey, round, "-", i), []byte("1 r1")); err != nil {
					written <- err
					return
				}
			}
			written <- notes.FlushWithContext(ctx)
		}()
		_, n, err := b.size(ctx)
		if err := errors.Join(err, <-written); err != nil || n < records {
			t.Fatalf("%d of %d records are needed: %v", n, records, err)
		}
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
	for range 50 {
		mu.Lock()
		before := slices.Clone(written)
		mu.Unlock()
		var seen map[event.ID]int
		err := b.scan(ctx, true, func(int) { seen = map[event.ID]int{} }, func(id event.ID, _ entry) error {
			seen[id]++
			return nil
		})
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
	t.Parallel()
	ctx := streamstest.Context(t)
	conns, _ := streamstest.Cluster(t)
	b := openBucket(t, conns[0], WithReplicas(3))
	js := b.store.js
	const records = 200
	for revision := 1; revision <= 10; revision++ {
		for i := range records {
			if _, err := js.PublishAsync(b.subject(event.ID(fmt.Sprint("r", i))), fmt.Appendf(nil, `{"v":%d}`, revision), jetstream.WithStallWait(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		<-js.PublishAsyncComplete()
		var seen map[string]int
		err := b.scan(ctx, false, func(int) { seen = map[string]int{} }, func(_ event.ID, e entry) error {
			seen[string(e.data)]++
			return nil
		})
		if want := fmt.Sprintf(`{"v":%d}`, revision); err != nil || len(seen) != 1 || seen[want] != records {
			t.Fatalf("%v of %d times %s: %v", seen, records, want, err)
		}
	}
}
