package query

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
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
		r, err := newRow(id, 1, fmt.Appendf(nil, `{"id":%s,"user":"user%d","text":"some text of a quote that somebody said","timestamp":%d}`, id, i%100, 1732645200+i))
		if err != nil {
			t.Fatal(err)
		}
		v.apply(id, r)
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

// What a query keeps of a collection that is larger than memory is no more than it
// has room for, whatever page it is for. This test is not parallel: it looks at the
// whole heap.
func TestPagesCountTheirMemory(t *testing.T) {
	const records, room = 10_000, 4 << 20
	for name, c := range map[string]struct {
		offset, limit int
		size          int // of a record
		bare          bool
	}{
		"first": {0, 10, 400, false},
		"large": {0, 2000, 4000, true},
		"deep":  {records - 10, 10, 4000, true},
	} {
		q, err := Parse(event.Query{OrderBy: "n", Limit: &c.limit, Offset: &c.offset})
		if err != nil {
			t.Fatal(err)
		}
		before, most := heap(), int64(0)
		collector := collector{q: q, room: room, plan: &plan{}}
		for i := range records {
			id := event.IntID(int64(i))
			r, err := newRow(id, 1, fmt.Appendf(nil, `{"id":%s,"n":%d,"text":%q}`, id, i*7919%records, strings.Repeat("x", c.size)))
			if err != nil {
				t.Fatal(err)
			}
			collector.test(r)
			if i%500 == 0 || i == records-1 {
				most = max(most, heap()-before)
			}
		}
		if collector.full || collector.bare != c.bare || collector.held > room {
			t.Errorf("%s: full %v, bare %v, holds %d", name, collector.full, collector.bare, collector.held)
		}
		t.Logf("%s: %d kB at the most, %d in the end, %d counted", name, most>>10, (heap()-before)>>10, collector.held>>10)
		if limit := int64(room + room/4); most > limit {
			t.Errorf("%s: a page takes %d bytes, which is more than %d", name, most, limit)
		}
		runtime.KeepAlive(&collector)
	}
}
