package kvstore

import (
	"encoding/json"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A number that an instance has taken and not used yet may be used by a client
// in the meantime. The client's record stays, and the number is not given: also not
// when the record was deleted and forgotten since.
func TestTakenNumberThatAClientUsed(t *testing.T) {
	t.Parallel()
	set := event.Set{Collection: "c", ID: "1", Data: json.RawMessage(`{"client":true}`)}
	for name, c := range map[string]struct {
		forget    bool
		first     string // what the client's record is in the end
		compacted int
	}{
		"kept":      {false, `{"id":1,"client":true}`, 0},
		"forgotten": {true, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := streamstest.Context(t)
			server := streamstest.Server(t)
			holder := openBucket(t, streamstest.Connect(t, server))
			client := openBucket(t, streamstest.Connect(t, server)).store
			takeNumbers(t, holder, 2)

			if _, err := client.Set(ctx, set); err != nil {
				t.Fatal(err)
			}
			if c.forget {
				if _, err := client.Delete(ctx, event.Delete{Collection: "c", ID: "1"}); err != nil {
					t.Fatal(err)
				}
				for _, want := range []int{c.compacted, 0} { // the second time there is nothing to forget
					if n, err := client.Compact(ctx, "c", 0); err != nil || n != want {
						t.Fatalf("compacted %d records, want %d: %v", n, want, err)
					}
				}
			}

			w, err := holder.store.Set(ctx, event.Set{Collection: "c", Data: json.RawMessage(`{}`)})
			if err != nil || w.ID != "2" {
				t.Errorf("inserted as %s, %v", w.ID, err)
			}
			r, err := holder.store.Get(ctx, event.Get{Collection: "c", ID: "1"})
			if string(r.Data) != c.first || (err != nil) != c.forget {
				t.Errorf("the client's record is %s, %v", r.Data, err)
			}
		})
	}
}

// takeNumbers has the bucket's instance hold the numbers 1 to n, as when n inserts are
// about to be made.
func takeNumbers(t *testing.T, b *bucket, n int64) {
	t.Helper()
	ctx := streamstest.Context(t)
	for want := int64(1); want <= n; want++ {
		if got, err := b.counter.take(ctx, b); err != nil || got != want {
			t.Fatal(got, err)
		}
	}
	for i := int64(1); i <= n; i++ {
		b.counter.give(i)
	}
}

// Of what was inserted under the next number nothing is left by a compaction, also where
// the history does not go back to the insert.
func TestCompactionOfInserts(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	b := openBucket(t, streamstest.Connect(t, streamstest.Server(t)), WithHistory(2))
	w, err := b.store.Set(ctx, event.Set{Collection: "c", Data: json.RawMessage(`{"n":0}`)})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		ops := map[string]json.RawMessage{"$inc": json.RawMessage(`{"n":1}`)}
		if _, err := b.store.Update(ctx, event.Update{Collection: "c", ID: w.ID, Ops: ops}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.store.Delete(ctx, event.Delete{Collection: "c", ID: w.ID}); err != nil {
		t.Fatal(err)
	}
	if n, err := b.store.Compact(ctx, "c", 0); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if e, err := b.next(ctx, b.subject(w.ID), 1); err != nil || e.revision != 0 {
		t.Errorf("entry %d is left: %v", e.revision, err)
	}
}
