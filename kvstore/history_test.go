package kvstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, kvstore.WithHistory(3))
	ctx := streamstest.Context(t)
	for i := range 3 {
		step := kvstore.WithMsgID(propagation.WithCorrelation(ctx, fmt.Sprint("c-", i)), fmt.Sprint("m-", i))
		if _, err := s.Set(step, event.Set{Collection: "c", ID: "a b", Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Delete(propagation.WithCorrelation(ctx, "c-3"), event.Delete{Collection: "c", ID: "a b"}); err != nil {
		t.Fatal(err)
	}
	got, err := s.History(ctx, "c", "a b")
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if age := time.Since(got[i].Time); age < 0 || age > time.Minute || got[i].Revision == 0 || i > 0 && got[i].Revision <= got[i-1].Revision {
			t.Errorf("revision %+v", got[i])
		}
		got[i].Time, got[i].Revision = time.Time{}, 0
	}
	want := []kvstore.Revision{
		{Data: json.RawMessage(`{"id":"a b","n":1}`), CorrelationID: "c-1", MsgID: "m-1"},
		{Data: json.RawMessage(`{"id":"a b","n":2}`), CorrelationID: "c-2", MsgID: "m-2"},
		{Deleted: true, Data: json.RawMessage(`null`), CorrelationID: "c-3"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, c := range []string{"c", "no-such"} {
		if _, err := s.History(ctx, c, "never"); event.CodeOf(err) != event.RecordNotFound {
			t.Errorf("no history in %s: %v", c, err)
		}
	}
}

func TestCompact(t *testing.T) {
	t.Parallel()
	s, js := newStore(t)
	ctx := streamstest.Context(t)
	for range 5 {
		set(t, s, "c", "", `{}`)
	}
	for _, id := range []event.ID{"2", "5"} {
		if _, err := s.Delete(ctx, event.Delete{Collection: "c", ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	query := func() int {
		t.Helper()
		r, err := s.Query(ctx, event.Query{Collection: "c"})
		if err != nil {
			t.Fatal(err)
		}
		return r.Count
	}
	if n := query(); n != 3 {
		t.Errorf("%d records", n)
	}
	if n, err := s.Compact(ctx, "c", time.Hour); err != nil || n != 0 {
		t.Errorf("compacted %d, %v of those deleted an hour ago", n, err)
	}
	if n, err := s.Compact(ctx, "c", 0); err != nil || n != 2 {
		t.Errorf("compacted %d, %v", n, err)
	}
	if _, err := s.History(ctx, "c", "5"); event.CodeOf(err) != event.RecordNotFound {
		t.Errorf("history of a record that is forgotten: %v", err)
	}
	// The stream's last message is gone; queries must not wait for it.
	for _, store := range []*kvstore.Store{s, openStore(t, js)} {
		if r, err := store.Query(ctx, event.Query{Collection: "c"}); err != nil || r.Count != 3 {
			t.Errorf("after compaction: %d records, %v", r.Count, err)
		}
	}
	if w := set(t, s, "c", "", `{}`); w.ID != "6" {
		t.Errorf("the next number is %s", w.ID)
	}
}

// A write that requires that a record does not exist succeeds while the record's delete
// marker is compacted away.
func TestCompactionIsNoConflict(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "compacts again and again")
	s, _ := newStore(t)
	ctx, stop := context.WithCancel(streamstest.Context(t))
	var compacting sync.WaitGroup
	defer compacting.Wait()
	defer stop()
	compacting.Go(func() {
		for ctx.Err() == nil {
			if _, err := s.Compact(ctx, "c", 0); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for n := range 400 {
		if _, err := s.Set(ctx, event.Set{Collection: "c", ID: "x", Data: json.RawMessage(`{}`), IfRevision: revision(0)}); err != nil {
			t.Fatalf("write %d: %v", n, err)
		}
		if _, err := s.Delete(ctx, event.Delete{Collection: "c", ID: "x"}); err != nil {
			t.Fatalf("delete %d: %v", n, err)
		}
	}
}
