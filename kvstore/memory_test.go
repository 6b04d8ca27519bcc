package kvstore

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// The memory that a view counts, and holds against its limit, is what it takes.
// This test is not parallel: it looks at the whole heap.
func TestViewCountsItsMemory(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const records = 50_000
	before := heap()
	v := newView(1 << 40)
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
	q, err := parseQuery(event.Query{OrderBy: "user, timestamp DESC"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.run(t.Context(), q); err != nil || !got.explain.Built {
		t.Fatalf("%+v, %v", got.explain, err)
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
