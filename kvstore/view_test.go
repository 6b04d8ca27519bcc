package kvstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/query"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func find(t testing.TB, s *kvstore.Store, collection, filter, order string) query.Result {
	t.Helper()
	q := event.Query{Collection: collection, OrderBy: order, Explain: true}
	if filter != "" {
		q.Filter = json.RawMessage(filter)
	}
	r, err := s.Query(streamstest.Context(t), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ids(r query.Result) string {
	var out []string
	for _, record := range r.Rows {
		out = append(out, string(record.ID))
	}
	return strings.Join(out, " ")
}

// A query sees every write that was acknowledged before it was sent, whichever
// instance took the write and whichever answers.
func TestReadYourWritesAcrossInstances(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	var stores []*kvstore.Store
	for _, limit := range []int64{1 << 30, 1 << 30, 1} { // the last one streams
		stores = append(stores, openStore(t, jetStream(t, streamstest.Connect(t, server)), kvstore.WithMemoryLimit(limit)))
	}
	var wait sync.WaitGroup
	for w := range 4 {
		wait.Go(func() {
			writer := stores[w%2]
			for i := range 40 {
				id := event.ID(fmt.Sprintf("w%d-%d", w, i))
				set(t, writer, "c", id, fmt.Sprintf(`{"w":%d,"i":%d}`, w, i))
				reader := stores[(w+i)%2]
				if i%10 == 0 {
					reader = stores[2]
				}
				r := find(t, reader, "c", fmt.Sprintf(`{"w":%d,"i":%d}`, w, i), "")
				if r.Count != 1 || r.Rows[0].ID != id {
					t.Errorf("%s was written and is not found: %+v", id, r)
				}
				if i%4 == 0 {
					if _, err := writer.Delete(streamstest.Context(t), event.Delete{Collection: "c", ID: id}); err != nil {
						t.Error(err)
					}
					if r := find(t, reader, "c", fmt.Sprintf(`{"id":%q}`, id), ""); r.Count != 0 {
						t.Errorf("%s was deleted and is found", id)
					}
				}
			}
		})
	}
	wait.Wait()
	for i, s := range stores {
		r := find(t, s, "c", "", "w, i DESC")
		if want := 4 * 30; r.Count != want {
			t.Errorf("store %d has %d records, want %d", i, r.Count, want)
		}
		if plan := r.Explain.Plan; (plan == "stream") != (i == 2) {
			t.Errorf("store %d answered by %s", i, plan)
		}
	}
}

// A collection beyond the memory limit is answered from disk with the same
// records, and from memory again once it has shrunk.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	big, js := newStore(t)
	small := openStore(t, js, kvstore.WithMemoryLimit(20_000))
	for i := range 40 {
		set(t, big, "c", "", fmt.Sprintf(`{"n":%d,"user":"u%d"}`, i, i%3))
	}
	if r := find(t, small, "c", `{"user":"u1"}`, "n DESC"); r.Explain.Plan != "index" {
		t.Errorf("while there is room: %+v", r.Explain)
	}
	for i := range 300 {
		set(t, big, "c", "", fmt.Sprintf(`{"n":%d,"user":"u%d"}`, 1000+i, i%3))
	}
	for _, c := range [][2]string{{"", ""}, {`{"user":"u1"}`, "n DESC"}, {`{"n":{"$gte":100}}`, "user, n DESC"}, {`{"id":7}`, ""}, {`{"n":-1}`, ""}} {
		want, got := find(t, big, "c", c[0], c[1]), find(t, small, "c", c[0], c[1])
		if got.Explain.Plan != "stream" || got.Explain.Records != 340 || want.Explain.Plan == "stream" {
			t.Errorf("%v: %+v and %+v", c, want.Explain, got.Explain)
		}
		got.Explain, want.Explain = query.Explain{}, query.Explain{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-memory +stream):\n%s", c, diff)
		}
	}
	for i := 41; i <= 340; i++ {
		if _, err := big.Delete(streamstest.Context(t), event.Delete{Collection: "c", ID: event.IntID(int64(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := big.Compact(streamstest.Context(t), "c", 0); err != nil || n != 300 {
		t.Fatal(n, err)
	}
	if r := find(t, small, "c", `{"user":"u1"}`, "n DESC"); r.Explain.Plan != "index" || r.Count != 13 {
		t.Errorf("with room again: %d, %+v", r.Count, r.Explain)
	}
}

// A collection that was large is answered from memory again though the markers of what
// was deleted are still there.
func TestDeletedRecordsNeedNoMemory(t *testing.T) {
	t.Parallel()
	big, js := newStore(t)
	small := openStore(t, js, kvstore.WithMemoryLimit(10_000))
	fill(t, big, "c", 100, func(i int) string { return fmt.Sprintf(`{"id":%d,"n":%d}`, i+1, i) })
	if r := find(t, small, "c", "", ""); r.Explain.Plan != "stream" || r.Count != 100 {
		t.Errorf("%d records by %s", r.Count, r.Explain.Plan)
	}
	for i := range 70 {
		if _, err := big.Delete(streamstest.Context(t), event.Delete{Collection: "c", ID: event.IntID(int64(i + 1))}); err != nil {
			t.Fatal(err)
		}
	}
	if r := find(t, small, "c", "", ""); r.Explain.Plan != "scan" || r.Count != 30 {
		t.Errorf("%d records by %s", r.Count, r.Explain.Plan)
	}
}

// A scan is a snapshot: no record twice and none left out, whatever is written
// meanwhile.
func TestScansUnderWrites(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	s := openStore(t, jetStream(t, streamstest.Connect(t, server)), kvstore.WithMemoryLimit(1), kvstore.WithHistory(2))
	const records = 200
	for i := range records {
		set(t, s, "c", event.ID(fmt.Sprint("r", i)), `{"v":0}`)
	}
	ctx, stop := context.WithCancel(streamstest.Context(t))
	var wait sync.WaitGroup
	for w := range 2 {
		writer := openStore(t, jetStream(t, streamstest.Connect(t, server)))
		wait.Go(func() {
			pace := rate.NewLimiter(1000, 1)
			for i := 0; pace.Wait(ctx) == nil; i++ {
				// One record more, less or rewritten; the first 200 never go.
				id := event.ID(fmt.Sprintf("r%d", (i*7+w)%records))
				req := event.Set{Collection: "c", ID: id, Data: json.RawMessage(fmt.Sprintf(`{"v":%d}`, i))}
				if i%5 == 0 {
					req.ID = ""
				}
				if _, err := writer.Set(ctx, req); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		limit := query.MaxLimit
		r, err := s.Query(ctx, event.Query{Collection: "c", Limit: &limit})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[event.ID]bool{}
		for _, record := range r.Rows {
			if seen[record.ID] {
				t.Fatalf("%s is there twice", record.ID)
			}
			seen[record.ID] = true
		}
		if r.Count != len(r.Rows) {
			t.Fatalf("%d records of %d", len(r.Rows), r.Count)
		}
		for i := range records {
			if !seen[event.ID(fmt.Sprint("r", i))] {
				t.Fatalf("r%d is missing among %d", i, r.Count)
			}
		}
	}
	stop()
	wait.Wait()
}

// Deleting a bucket behind the store's back empties the collection; nothing of
// the old one shows up in a new one.
func TestDeletedBucket(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s, js := newStore(t, kvstore.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	ctx := streamstest.Context(t)
	for range 20 {
		set(t, s, "c", "", `{"old":true}`)
	}
	if r := find(t, s, "c", "", ""); r.Count != 20 {
		t.Fatal(r.Count)
	}
	if err := js.DeleteKeyValue(ctx, "db_c"); err != nil {
		t.Fatal(err)
	}
	if r := find(t, s, "c", "", ""); r.Count != 0 {
		t.Errorf("%d records are left", r.Count)
	}
	if got := get(t, s, "c", "1"); got != "" {
		t.Errorf("left: %s", got)
	}
	if _, err := s.Delete(ctx, event.Delete{Collection: "c", ID: "1"}); event.CodeOf(err) != event.RecordNotFound {
		t.Errorf("delete: %v", err)
	}
	if w := set(t, s, "c", "", `{"old":false}`); w.ID != "21" { // no number is given twice
		t.Errorf("a new collection begins with %s", w.ID)
	}
	if r := find(t, s, "c", "", ""); r.Count != 1 || r.Rows[0].Data != `{"id":21,"old":false}` {
		t.Errorf("a new collection has %+v", r)
	}
	if n := strings.Count(log.String(), "collection deleted, contents lost"); n != 1 {
		t.Errorf("the loss was logged %d times:\n%s", n, &log)
	}

	// A view is fed by a consumer that dies with the bucket.
	if err := js.DeleteKeyValue(ctx, "db_c"); err != nil {
		t.Fatal(err)
	}
	other := openStore(t, js)
	for range 30 {
		set(t, other, "c", "", `{"newest":true}`)
	}
	deadline := time.Now().Add(20 * time.Second)
	for find(t, s, "c", `{"newest":true}`, "").Count != 30 {
		if time.Now().After(deadline) {
			t.Fatal("the view still shows the old bucket")
		}
	}
}

// What other programs put into a bucket is read as far as it is a record, and
// harms nothing where it is not.
func TestForeignWrites(t *testing.T) {
	t.Parallel()
	s, js := newStore(t)
	ctx := streamstest.Context(t)
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "db_c", History: 1})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"1":         " { \"b\" : 1, \"id\": 99, \"b\" : 2 } ",
		"x=20y":     `{"\u0062":3}`,
		"bad":       `no record`,
		"list":      `[1]`,
		"a.b":       `{"foreign":"key"}`,
		"=internal": `{"foreign":"key"}`,
	} {
		if _, err := kv.Put(ctx, key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if got := get(t, s, "c", "1"); got != `{"id":1,"b":2}` {
		t.Errorf("got %s", got)
	}
	if got := get(t, s, "c", "x y"); got != `{"id":"x y","b":3}` {
		t.Errorf("got %s", got)
	}
	for _, store := range []*kvstore.Store{s, openStore(t, js, kvstore.WithMemoryLimit(1))} {
		r := find(t, store, "c", `{"b":{"$gt":0}}`, "b DESC")
		if got := ids(r); got != "x y 1" {
			t.Errorf("%s found %q", r.Explain.Plan, got)
		}
		if r := find(t, store, "c", "", ""); r.Count != 2 {
			t.Errorf("%s found %d records", r.Explain.Plan, r.Count)
		}
	}
	for _, id := range []event.ID{"bad", "list"} {
		if _, err := s.Get(ctx, event.Get{Collection: "c", ID: id}); event.CodeOf(err) != event.DatabaseError {
			t.Errorf("%s: %v", id, err)
		}
		if _, err := s.Update(ctx, event.Update{Collection: "c", ID: id, Ops: operators(`{"$set":{"a":1}}`)}); event.CodeOf(err) != event.DatabaseError {
			t.Errorf("%s: %v", id, err)
		}
		set(t, s, "c", id, `{"good":true}`)
	}
	if r := find(t, s, "c", `{"good":true}`, ""); r.Count != 2 {
		t.Errorf("%d records after they were set again", r.Count)
	}
}

// A counter that is no number is named in the error.
func TestForeignCounter(t *testing.T) {
	t.Parallel()
	_, js := newStore(t)
	ctx := streamstest.Context(t)
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "db_c"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(ctx, "=counter", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(t, js).Set(ctx, event.Set{Collection: "c", Data: json.RawMessage(`{}`)}); event.CodeOf(err) != event.DatabaseError || !strings.Contains(err.Error(), "=counter") {
		t.Errorf("a broken counter: %v", err)
	}
}

// A bucket that was made elsewhere remembers message ids for long enough once it was
// written to, and keeps the history that its maker chose.
func TestForeignBucket(t *testing.T) {
	t.Parallel()
	s, js := newStore(t)
	ctx := streamstest.Context(t)
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "db_c", History: 1}); err != nil {
		t.Fatal(err)
	}
	set(t, s, "c", "1", `{}`)
	status, err := js.Stream(ctx, "KV_db_c")
	if err != nil {
		t.Fatal(err)
	}
	if c := status.CachedInfo().Config; c.Duplicates != 20*time.Minute || c.MaxMsgsPerSubject != 1 {
		t.Errorf("duplicate window %v, history %d", c.Duplicates, c.MaxMsgsPerSubject)
	}
}

// The store's own buckets are buckets to nats.go.
func TestForeignReads(t *testing.T) {
	t.Parallel()
	s, js := newStore(t)
	ctx := streamstest.Context(t)
	set(t, s, "own", "k", `{"v":1}`)
	own, err := js.KeyValue(ctx, "db_own")
	if err != nil {
		t.Fatal(err)
	}
	e, err := own.Get(ctx, "k")
	if err != nil || string(e.Value()) != `{"id":"k","v":1}` {
		t.Errorf("nats.go reads %v, %v", e, err)
	}
	if err := own.Delete(ctx, "k"); err != nil || get(t, s, "own", "k") != "" {
		t.Errorf("deleted with nats.go: %v", err)
	}
	if err := own.Purge(ctx, "k"); err != nil || find(t, s, "own", "", "").Count != 0 {
		t.Errorf("purged with nats.go: %v", err)
	}
}
