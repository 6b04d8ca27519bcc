package query

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// Neither writes nor other queries wait for an index that is being made, and what
// is written meanwhile is in it.
func TestNobodyWaitsForAnIndex(t *testing.T) {
	t.Parallel()
	v := NewView(1 << 40)
	const records = 20_000
	put := func(i, n int) {
		id := event.IntID(int64(i))
		v.apply(id, &Row{id, 1, fmt.Sprintf(`{"id":%d,"n":%d}`, i, n)})
	}
	for i := range records {
		put(i, i)
	}
	ask := func(filter, order string) Result {
		q, err := Parse(event.Query{Filter: json.RawMessage(filter), OrderBy: order})
		if err != nil {
			t.Error(err)
		}
		got, err := v.Run(t.Context(), q)
		if err != nil {
			t.Error(err)
		}
		return got
	}
	deadline := time.Now().Add(time.Minute)
	for attempt := 0; ; attempt++ {
		order := fmt.Sprintf("n DESC, f%d", attempt) // an index that there is not
		answers := make(chan Result, 2)
		for range cap(answers) {
			go func() { answers <- ask(`{}`, order) }()
		}
		written := 0
		for len(answers) < cap(answers) {
			v.mu.Lock()
			if len(v.builds) > 0 && written < records {
				put(written, records+written)
				written++
			}
			v.mu.Unlock()
			if got := ask(`{"id":7}`, ""); got.Count != 1 {
				t.Fatalf("%d records", got.Count)
			}
		}
		if a, b := <-answers, <-answers; a.Explain.Built == b.Explain.Built {
			t.Errorf("built %v and %v", a.Explain.Built, b.Explain.Built)
		}
		if got := ask(`{}`, order); got.Explain.Built || got.Count != records || written > 0 && got.Rows[0].Data != fmt.Sprintf(`{"id":%d,"n":%d}`, written-1, records+written-1) {
			t.Errorf("after %d writes: %s, %+v", written, got.Rows[0].Data, got.Explain)
		}
		if written > 0 || t.Failed() {
			t.Logf("%d writes during a build", written)
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing can be written while an index is made")
		}
	}
}
