package query

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The memory that a view counts, and holds against its limit, is what it takes.
// This test is not parallel: it looks at the whole heap.
func TestViewCountsItsMemory(t *testing.T) {
	const records = 50_000
	before := heap()
	v := NewView(1 << 40)
	for i := range records {
		id := event.IntID(int64(i * 7919 % records))
		v.apply(id, &Row{id, 1, fmt.Sprintf(`{"id":%s,"user":"user%d","text":"some text of a quote that somebody said","timestamp":%d}`, id, i%100, 1732645200+i)})
	}
	rows := heap() - before
	t.Logf("%d bytes a record, %d counted, of which data %d", rows/records, v.bytes/records, len(`{"id":12345,"user":"user12","text":"some text of a quote that somebody said","timestamp":1732645200}`))
	counted := v.bytes
	q, err := Parse(event.Query{OrderBy: "user, timestamp DESC"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Run(t.Context(), q); err != nil || !got.Explain.Built {
		t.Fatalf("%+v, %v", got.Explain, err)
	}
	index := heap() - before - rows
	t.Logf("%d bytes an index entry, %d counted", index/records, (v.bytes-counted)/records)
	for name, c := range map[string][2]int64{"rows": {rows, counted}, "index": {index, v.bytes - counted}} {
		if c[0] > c[1]*5/4 || c[0] < c[1]*3/5 {
			t.Errorf("%s take %d bytes, and %d are counted", name, c[0], c[1])
		}
	}
	runtime.KeepAlive(v)
}

// A scan keeps no more than its budget, whatever page it is for, and refuses a page
// that needs more. This test is not parallel: it looks at the whole heap.
func TestScansKeepToTheirBudget(t *testing.T) {
	streamstest.Slow(t, "scans thousands of records")
	const records, budget = 10_000, 4 << 20
	for name, c := range map[string]struct {
		offset, limit int
		size          int    // of a record
		refused       string // field
	}{
		"first":     {0, 10, 400, ""},
		"large":     {0, 400, 4000, ""},
		"too large": {0, 2000, 4000, "limit"},
		"deep":      {3000, 10, 400, ""},
		"too deep":  {records - 10, 10, 4000, "offset"},
	} {
		q, err := Parse(event.Query{OrderBy: "n", Limit: &c.limit, Offset: &c.offset})
		if err != nil {
			t.Fatal(err)
		}
		before, most := heap(), int64(0)
		s, text := NewScan(q, budget), strings.Repeat("x", c.size)
		for i := 0; i < records && err == nil; i++ {
			id := event.IntID(int64(i))
			err = s.Add(&Row{id, 1, fmt.Sprintf(`{"id":%s,"n":%d,"text":"%s"}`, id, i*7919%records, text)})
			if i%500 == 0 || i == records-1 {
				most = max(most, heap()-before)
			}
		}
		if e := event.AsError(err, ""); (e != nil) != (c.refused != "") || e != nil && (e.Code != event.InvalidInput || e.Details["field"] != c.refused) || s.held > budget+int64(c.size)+1000 {
			t.Errorf("%s: %v, holds %d", name, err, s.held)
		}
		if limit := int64(budget + budget/4); most > limit {
			t.Errorf("%s: a page takes %d bytes, which is more than %d", name, most, limit)
		}
		runtime.KeepAlive(s)
	}
}
