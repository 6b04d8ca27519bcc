package kvstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// With little room a page is the same as with much, or is refused.
func TestStreamWithLittleRoom(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	b := openBucket(t, streamstest.Connect(t, streamstest.Server(t)))
	const records, room = 300, 80_000 // for 300 of what they are ordered by, and not of what they are
	var lines strings.Builder
	for i := range records {
		fmt.Fprintf(&lines, "{\"id\":%d,\"n\":%d,\"text\":%q}\n", i+1, i*97%records, strings.Repeat("x", 1000))
	}
	if _, err := b.store.Import(ctx, "c", strings.NewReader(lines.String()), nil); err != nil {
		t.Fatal(err)
	}
	pageOf := func(offset, limit int) query {
		q, err := parseQuery(event.Query{OrderBy: "n DESC", Offset: &offset, Limit: &limit, Filter: json.RawMessage(`{"n":{"$gte":10}}`)})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	for _, offset := range []int{0, 1, 100, records - 20, records} {
		for _, limit := range []int{0, 1, 60} {
			q := pageOf(offset, limit)
			want, err := b.streamOnce(ctx, q, math.MaxInt64)
			if err != nil || want.count != records-10 || len(want.rows) != max(0, min(limit, want.count-offset)) {
				t.Fatalf("%d of %d records, %v", len(want.rows), want.count, err)
			}
			got, err := b.streamOnce(ctx, q, room)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(found{}, row{})); diff != "" {
				t.Errorf("offset %d, limit %d (-much +little):\n%s", offset, limit, diff)
			}
		}
	}
	all := pageOf(0, 0)
	all.all = true
	for name, c := range map[string]struct {
		q     query
		room  int64
		field string
	}{
		"deep":  {pageOf(200, 10), room / 4, "offset"},
		"long":  {pageOf(0, 200), room / 4, "limit"},
		"large": {pageOf(0, 100), room, "limit"},
		"all":   {all, room / 4, "filter"},
	} {
		_, err := b.streamOnce(ctx, c.q, c.room)
		if e := event.AsError(err, ""); e == nil || e.Code != event.InvalidInput || e.Details["field"] != c.field {
			t.Errorf("%s: %v, %+v", name, err, e)
		}
	}
}

// A row that is read again is what it was when it was found, or is looked for again.
func TestRereadRows(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	b := openBucket(t, streamstest.Connect(t, streamstest.Server(t)), WithHistory(2))
	write := func(data string) uint64 {
		t.Helper()
		w, err := b.store.Set(ctx, event.Set{Collection: "c", ID: "r", Data: json.RawMessage(data)})
		if err != nil {
			t.Fatal(err)
		}
		return w.Revision
	}
	found := write(`{"v":1}`)
	write(`{"v":2}`)
	r := &row{id: "r", revision: found}
	if err := b.reread(ctx, query{}, []*row{r}, leastRoom); err != nil || r.data != `{"id":"r","v":1}` {
		t.Errorf("with a newer revision it is %s, %v", r.data, err)
	}
	write(`{"v":3}`)
	if err := b.reread(ctx, query{}, []*row{{id: "r", revision: found}}, leastRoom); !errors.Is(err, errMoved) {
		t.Errorf("pushed out: %v", err)
	}
	if err := b.reread(ctx, query{}, []*row{{id: "other", revision: found + 2}}, leastRoom); !errors.Is(err, errMoved) {
		t.Errorf("another record's: %v", err)
	}
}
