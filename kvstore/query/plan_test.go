package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
)

// What is indexed is answered without looking at more records than are asked
// for.
func TestPlans(t *testing.T) {
	t.Parallel()
	v := quotes(t, 5000)
	for _, c := range []struct {
		filter, order string
		want          Explain
		count         int
	}{
		{`{}`, "", Explain{Plan: "scan", Examined: 10}, 5000},
		{`{}`, "id DESC", Explain{Plan: "index", Index: "id DESC", Ranges: 1, Built: true, Examined: 10}, 5000},
		{`{"id":17}`, "time", Explain{Plan: "index", Index: "id", Ranges: 1, Examined: 1}, 1},
		{`{"id":"17","user":"u17"}`, "", Explain{Plan: "index", Index: "id", Ranges: 1, Filtered: true, Examined: 1}, 1},
		{`{"id":{"$gte":4990}}`, "", Explain{Plan: "index", Index: "id", Ranges: 1, Examined: 10}, 10},
		{`{"user":"u3"}`, "", Explain{Plan: "index", Index: "user, id", Ranges: 1, Built: true, Examined: 10}, 100},
		{`{"user":"u3"}`, "time DESC", Explain{Plan: "index", Index: "user, time DESC, id", Ranges: 1, Built: true, Examined: 10}, 100},
		{`{"user":"u4"}`, "time DESC", Explain{Plan: "index", Index: "user, time DESC, id", Ranges: 1, Examined: 10}, 100},
		{`{"user":"u4","time":{"$gte":4000}}`, "time DESC", Explain{Plan: "index", Index: "user, time DESC, id", Ranges: 1, Examined: 10}, 20},
		{`{"user":"u4","time":{"$gte":4000}}`, "score", Explain{Plan: "index", Index: "user, time, id", Ranges: 1, Built: true, Sorted: true, Examined: 20}, 20},
		{`{"time":{"$gte":10,"$lt":30}}`, "time", Explain{Plan: "index", Index: "time, id", Ranges: 1, Built: true, Examined: 10}, 20},
		{`{"time":{"$in":[3,1,99999,3]}}`, "time", Explain{Plan: "index", Index: "time, id", Ranges: 3, Examined: 2}, 2},
		{`{"time":{"$in":[3,1,99999,7]}}`, "time DESC", Explain{Plan: "index", Index: "time DESC, id", Ranges: 4, Built: true, Examined: 3}, 3},
		{`{"user":{"$in":["u1","u2"]}}`, "time DESC", Explain{Plan: "index", Index: "user, id", Ranges: 2, Sorted: true, Examined: 200}, 200},
		{`{"text":{"$like":"t499%"}}`, "", Explain{Plan: "index", Index: "text, id", Ranges: 1, Built: true, Filtered: true, Sorted: true, Examined: 11}, 11},
		{`{"text":{"$like":"%99"}}`, "time", Explain{Plan: "index", Index: "time, id", Ranges: 1, Filtered: true, Examined: 5000}, 50},
		{`{"text":{"$like":"%99"}}`, "even", Explain{Plan: "scan", Filtered: true, Sorted: true, Examined: 5000}, 50},
		{`{"$or":[{"user":"u1"},{"score":3}]}`, "score", Explain{Plan: "scan", Filtered: true, Sorted: true, Examined: 5000}, 800},
		{`{"even":{"$ne":7},"$or":[{"time":{"$lt":5}},{"user":"u1","time":{"$gt":4900}},{"id":3}]}`, "time", Explain{Plan: "index", Index: "time, id", Ranges: 1, Filtered: true, Examined: 5000}, 7},
		{`{"$or":[{"user":"u1"},{"user":"u3"}]}`, "", Explain{Plan: "index", Index: "user, id", Ranges: 2, Sorted: true, Examined: 200}, 200},
		{`{"$or":[{"time":{"$lt":3}},{"time":{"$gte":4998}},{"time":{"$gt":1,"$lt":5}}]}`, "time", Explain{Plan: "index", Index: "time, id", Ranges: 2, Examined: 7}, 7},
		{`{"$or":[{"user":"u1"},{"text":{"$like":"%9"}}]}`, "", Explain{Plan: "scan", Filtered: true, Examined: 5000}, 600},
		{`{"$or":[{"user":{"$gt":""}},{"time":{"$gte":0}}]}`, "", Explain{Plan: "scan", Filtered: true, Examined: 5000}, 5000},
		{`{"user":"u1","score":{"$gt":9},"time":{"$lt":0}}`, "", Explain{Plan: "index", Index: "user, score, id", Ranges: 1, Built: true, Filtered: true, Sorted: true, Examined: 0}, 0},
		{`{"time":{"$gt":5,"$lt":3}}`, "", Explain{Plan: "index", Index: "time, id", Ranges: 0, Sorted: true, Examined: 0}, 0},
	} {
		limit := 10
		q, err := Parse(event.Query{Filter: json.RawMessage(c.filter), OrderBy: c.order, Limit: &limit})
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Run(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		c.want.Records = 5000
		if c.order == "time DESC" && !slices.IsSortedFunc(got.Rows, func(a, b *Row) int {
			return -bytes.Compare(q.order[0].appendValue(nil, a.Data), q.order[0].appendValue(nil, b.Data))
		}) {
			t.Errorf("%s order %q is out of order", c.filter, c.order)
		}
		if diff := cmp.Diff(c.want, got.Explain); diff != "" || got.Count != c.count && c.filter[1] != '$' {
			t.Errorf("%s order %q: count %d, want %d (-want +got):\n%s", c.filter, c.order, got.Count, c.count, diff)
		}
	}
}

// quotes returns a view of n records.
func quotes(t *testing.T, n int) *View {
	t.Helper()
	v := NewView(1 << 40)
	for i := range n {
		id := event.IntID(int64(i))
		record, err := jsondoc.ParseObject(fmt.Appendf(nil, `{"user":"u%d","time":%d,"score":%d,"text":"t%d","even":%v}`, i%50, i, i%7, i, i%2 == 0))
		if err != nil {
			t.Fatal(err)
		}
		v.apply(id, &Row{id, 1, string(record.Document(id))})
	}
	return v
}

// A view makes room by dropping indexes, and keeps no more of them than
// maxIndexes.
func TestIndexesAreBounded(t *testing.T) {
	t.Parallel()
	v := NewView(1 << 40)
	for i := range 300 {
		id := event.IntID(int64(i))
		v.apply(id, &Row{id, 1, fmt.Sprintf(`{"id":%d,"a":%d}`, i, i)})
	}
	run := func(order string) Result {
		q, err := Parse(event.Query{OrderBy: order})
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Run(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for i := range 3 * maxIndexes {
		if got := run(fmt.Sprintf("f%d", i)); !got.Explain.Built {
			t.Fatalf("query %d: %+v", i, got.Explain)
		}
	}
	if len(v.indexes) != maxIndexes {
		t.Errorf("%d indexes", len(v.indexes))
	}
	v.limit = v.bytes - 1
	if !v.shrink() || len(v.indexes) != maxIndexes-1 {
		t.Errorf("shrunk to %d indexes and %d of %d bytes", len(v.indexes), v.bytes, v.limit)
	}
	v.limit = v.bytes + 10
	if got := run("a DESC"); got.Explain.Plan != "scan" || !got.Explain.Sorted || got.Count != 300 || got.Rows[0].ID != "299" {
		t.Errorf("without room for an index: %+v", got.Explain)
	}
}

// A page of a long result is its right part, whether it has to be sorted or lies
// in an index.
func TestLongResults(t *testing.T) {
	t.Parallel()
	const records = 20_000
	for filter, sorted := range map[string]bool{`{"n":{"$ne":-1}}`: true, `{"n":{"$gte":0}}`: false} {
		v := NewView(1 << 40)
		for i := range records {
			id := event.IntID(int64(i))
			v.apply(id, &Row{id, 1, fmt.Sprintf(`{"id":%d,"n":%d}`, i, i*7919%records)})
		}
		for _, offset := range []int{0, 1, 500, records - 5, records} {
			limit := 10
			q, err := Parse(event.Query{Filter: json.RawMessage(filter), OrderBy: "n DESC", Limit: &limit, Offset: &offset})
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.Run(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if got.Count != records || got.Explain.Sorted != sorted || len(got.Rows) != min(limit, records-offset) {
				t.Errorf("%s, offset %d: %d rows of %d, %+v", filter, offset, len(got.Rows), got.Count, got.Explain)
			}
			for i, r := range got.Rows {
				if value, _ := jsondoc.Lookup(r.Data, []string{`"n"`}); value != fmt.Sprint(records-1-offset-i) {
					t.Fatalf("%s, offset %d: row %d is %s", filter, offset, i, r.Data)
				}
			}
		}
	}
}

func run(t *testing.T, v *View, filter, order string) string {
	t.Helper()
	q, err := Parse(event.Query{Filter: json.RawMessage(filter), OrderBy: order})
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Run(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range got.Rows {
		ids = append(ids, string(r.ID))
	}
	return strings.Join(ids, " ")
}

// A condition that nothing can meet is not lost beside others on its field.
func TestUnsatisfiableConditions(t *testing.T) {
	t.Parallel()
	v := NewView(1 << 40)
	v.apply("1", &Row{"1", 1, `{"id":1,"n":5}`})
	for _, filter := range []string{`{"n":{"$in":[],"$gt":0}}`, `{"n":{"$gt":0,"$lt":0}}`, `{"n":{"$in":[]}}`, `{"n":{"$gt":7,"$lt":3,"$gte":5}}`, `{"$or":[{"n":{"$in":[]}},{"n":{"$in":[]}}]}`} {
		if got := run(t, v, filter, ""); got != "" {
			t.Errorf("%s finds %q", filter, got)
		}
	}
}
