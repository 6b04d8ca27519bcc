package kvstore_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/query"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// fill imports n records, each as line makes it.
func fill(t testing.TB, s *kvstore.Store, collection string, n int, line func(i int) string) {
	t.Helper()
	var lines strings.Builder
	for i := range n {
		lines.WriteString(line(i) + "\n")
	}
	if done, err := s.Import(streamstest.Context(t), collection, strings.NewReader(lines.String()), nil, nil); err != nil || done != n {
		t.Fatalf("imported %d of %d records: %v", done, n, err)
	}
}

func TestExportAndImport(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	ctx := streamstest.Context(t)
	for i := range 30 {
		set(t, s, "from", "", fmt.Sprintf(`{"n":%d,"t":"<&> ü \u2028"}`, i))
	}
	set(t, s, "from", "x.y z", `{"big":12345678901234567890}`)
	for _, id := range []event.ID{"3", "7"} {
		if _, err := s.Delete(ctx, event.Delete{Collection: "from", ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	last := 0
	n, err := s.Export(ctx, "from", &out, func(done, total int) { last = done })
	if err != nil || n != 29 || strings.Count(out.String(), "\n") != 29 || strings.Contains(out.String(), "counter") {
		t.Fatalf("%d records, %v:\n%s", n, err, &out)
	}
	if last != 29 {
		t.Errorf("progress went to %d", last)
	}
	if n, err = s.Import(propagation.WithCorrelation(ctx, "import-1"), "to", bytes.NewReader(out.Bytes()), nil, nil); err != nil || n != 29 {
		t.Fatalf("imported %d, %v", n, err)
	}
	var again bytes.Buffer
	if _, err := s.Export(ctx, "to", &again, nil); err != nil || again.String() != out.String() {
		t.Errorf("what was imported differs: %v\n%s\n%s", err, &out, &again)
	}
	if w := set(t, s, "to", "", `{}`); w.ID != "31" {
		t.Errorf("the number after an import to 30 is %s", w.ID)
	}
	if h, err := s.History(ctx, "to", "1"); err != nil || h[0].CorrelationID != "import-1" {
		t.Errorf("history of an imported record: %+v, %v", h, err)
	}

	n, err = s.Import(ctx, "mixed", strings.NewReader("{\"a\":1}\n\n{\"id\":5,\"a\":2}\n{\"a\":3}\n{\"id\":5,\"a\":4}\n"), nil, nil)
	if err != nil || n != 4 || get(t, s, "mixed", "5") != `{"id":5,"a":4}` || get(t, s, "mixed", "7") != `{"id":7,"a":3}` || get(t, s, "mixed", "6") != `{"id":6,"a":1}` {
		t.Errorf("imported %d, %v: %s", n, err, get(t, s, "mixed", "5"))
	}
	for text, names := range map[string]string{"{\"id\":1}\nnonsense": "line 2", "[]": "line 1", "{\"id\":1.5}": "line 1", "{\"id\":1}\n{\"id\":2": "line 2"} {
		n, err := s.Import(ctx, "bad", strings.NewReader(text), nil, nil)
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), names) || n != 0 {
			t.Errorf("%q: imported %d, %v, want nothing and an error that names %s", text, n, err, names)
		}
	}
	if _, err := s.Export(ctx, "no-such", &out, nil); event.CodeOf(err) != event.RecordNotFound {
		t.Errorf("export of no collection: %v", err)
	}
}

// An import loses no record, wherever lines without an id stand.
func TestImportOfLinesWithAndWithoutIDs(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "writes thousands of records")
	const records = 2500 // more than are written at a time
	for name, hasID := range map[string]func(i int) bool{
		"first line without":  func(i int) bool { return i > 0 },
		"first chunk without": func(i int) bool { return i >= 1000 },
		"every other without": func(i int) bool { return i%2 == 0 },
		"last chunk without":  func(i int) bool { return i < 1500 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore(t)
			next := 0
			fill(t, s, "c", records, func(i int) string {
				if !hasID(i) {
					return fmt.Sprintf(`{"line":%d}`, i)
				}
				next++
				return fmt.Sprintf(`{"id":%d,"line":%d}`, next, i)
			})
			seen := map[string]bool{}
			for _, r := range allRows(t, s, "c") {
				_, line, _ := strings.Cut(r.Data, `"line":`)
				seen[line] = true
				if n, _ := r.ID.Int(); n <= int64(next) != hasID(number(t, line)) {
					t.Errorf("line %s has become record %s", line, r.ID)
				}
			}
			if len(seen) != records {
				t.Errorf("%d of %d lines are there", len(seen), records)
			}
		})
	}
}

func allRows(t *testing.T, s *kvstore.Store, collection string) []*query.Row {
	t.Helper()
	limit := query.MaxLimit
	r, err := s.Query(streamstest.Context(t), event.Query{Collection: collection, Limit: &limit})
	if err != nil {
		t.Fatal(err)
	}
	return r.Rows
}

func number(t *testing.T, member string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSuffix(member, "}"))
	if err != nil {
		t.Error(err)
	}
	return n
}

// An export under writes has each record that there was once, in the order in which
// they were last written.
func TestExportUnderWrites(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	s, _ := newStore(t, kvstore.WithHistory(1))
	const records = 6000 // more than are fetched ahead
	fill(t, s, "c", records, func(i int) string { return fmt.Sprintf(`{"id":%d,"v":0}`, i+1) })
	var out bytes.Buffer
	n, err := s.Export(ctx, "c", &out, func(done, total int) {
		if total != records {
			t.Errorf("%d of %d records", done, total)
		}
		if done > 1 {
			return
		}
		if _, err := s.Delete(ctx, event.Delete{Collection: "c", ID: event.IntID(records - 2)}); err != nil {
			t.Error(err)
		}
		for _, id := range []int64{1, records - 1, records} {
			set(t, s, "c", event.IntID(id), `{"v":1}`)
		}
	})
	var want strings.Builder
	for i := 1; i <= records-3; i++ {
		fmt.Fprintf(&want, "{\"id\":%d,\"v\":0}\n", i)
	}
	for _, i := range []int{records - 1, records} { // pushed out before they were read
		fmt.Fprintf(&want, "{\"id\":%d,\"v\":1}\n", i)
	}
	if diff := cmp.Diff(strings.Split(want.String(), "\n"), strings.Split(out.String(), "\n")); diff != "" || n != records-1 || err != nil {
		t.Errorf("%d of %d records, in %d lines, %v (-want +got):\n%.2000s", n, records-1, strings.Count(out.String(), "\n"), err, diff)
	}
}
