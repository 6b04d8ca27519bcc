// Package benchdb compares the database service with raw NATS KV and with SQLite, in one
// process and on the same data. It is a module of its own, so that SQLite is not among
// the bot's dependencies.
//
//	go test -mod=mod -bench . -benchtime 2000x -count 10 | benchstat -col /by -
package benchdb

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

var sizes = flag.String("sizes", "1000,100000", "numbers of records to query")

type record struct {
	ID        int64  `json:"id,omitempty"`
	Text      string `json:"text"`
	User      string `json:"user"`
	Timestamp int64  `json:"timestamp"`
	Score     int    `json:"score"`
}

const (
	matching = 100  // records of each user, in a collection of any size
	few      = 1000 // records that the operations on single records cycle through
	pageSize = 10
)

func userOf(i, count int) string { return fmt.Sprintf("user%d", i%(count/matching)) }

func recordOf(i, count int) record {
	return record{
		ID:   int64(i),
		Text: fmt.Sprintf("The quick brown fox jumps over the lazy dog, and so does record %d, at some length, so that it is like a quote in a chat", i),
		User: userOf(i, count), Timestamp: 1732645200 + int64(i), Score: i % 977,
	}
}

// measure runs an operation as /by=name; i counts its calls.
func measure(b *testing.B, name string, do func(ctx context.Context, i int) error) {
	b.Run("by="+name, func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if err := do(b.Context(), i); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRecords compares operations on single records.
func BenchmarkRecords(b *testing.B) {
	n, lite := startNATS(b, false), startSQLite(b)
	var values [few]json.RawMessage
	for i := range values {
		r := recordOf(i+1, few)
		r.ID = 0
		values[i], _ = json.Marshal(r)
	}
	for i, value := range values {
		if _, err := n.kv.Put(b.Context(), strconv.Itoa(i+1), value); err != nil {
			b.Fatal(err)
		}
		n.must(b, event.SubjectSet, event.Set{Collection: "few", ID: event.IntID(int64(i + 1)), Data: value})
	}
	lite.fill(b, few)
	id := func(i int) event.ID { return event.IntID(int64(i%few) + 1) }
	row := func(i int) record { return recordOf(i%few+1, few) }
	set := func(i int) any { return event.Set{Collection: "few", ID: id(i), Data: values[i%few]} }

	b.Run("get", func(b *testing.B) {
		measure(b, "raw", n.raw("get", func(i int) string { return fmt.Sprintf(`{"id":%s}`, id(i)) }))
		measure(b, "service", n.request(event.SubjectGet, func(i int) any { return event.Get{Collection: "few", ID: id(i)} }))
		measure(b, "sqlite", func(ctx context.Context, i int) error { _, err := read(ctx, lite.get, i%few+1); return err })
	})
	b.Run("set", func(b *testing.B) {
		measure(b, "raw", n.raw("set", func(i int) string { return fmt.Sprintf(`{"id":%s,"data":%s}`, id(i), values[i%few]) }))
		measure(b, "service", n.request(event.SubjectSet, set))
		measure(b, "sqlite", func(ctx context.Context, i int) error {
			r := row(i)
			_, err := lite.set.ExecContext(ctx, r.ID, r.Text, r.User, r.Timestamp, r.Score)
			return err
		})
	})
	b.Run("update", func(b *testing.B) {
		measure(b, "raw", n.raw("update", func(i int) string { return fmt.Sprintf(`{"id":%s}`, id(i)) }))
		measure(b, "service", n.request(event.SubjectUpdate, func(i int) any {
			return event.Update{Collection: "few", ID: id(i), Ops: map[string]json.RawMessage{"$inc": json.RawMessage(`{"score":1}`)}}
		}))
		measure(b, "sqlite", func(ctx context.Context, i int) error { _, err := lite.update.ExecContext(ctx, i%few+1); return err })
	})
	b.Run("insert", func(b *testing.B) {
		measure(b, "raw", n.raw("insert", func(i int) string { return fmt.Sprintf(`{"data":%s}`, values[i%few]) }))
		measure(b, "service", n.request(event.SubjectSet, func(i int) any { return event.Set{Collection: "inserted", Data: values[i%few]} }))
		measure(b, "sqlite", func(ctx context.Context, i int) error {
			r := row(i)
			_, err := lite.insert.ExecContext(ctx, r.Text, r.User, r.Timestamp, r.Score)
			return err
		})
	})
	b.Run("set_to_disk", func(b *testing.B) {
		measure(b, "service_sync_always", startNATS(b, true).request(event.SubjectSet, set))
	})
}

// BenchmarkQueries compares queries with filter, order and limit: one that an index
// answers, and one that none can.
func BenchmarkQueries(b *testing.B) {
	for size := range strings.SplitSeq(*sizes, ",") {
		count, err := strconv.Atoi(size)
		if err != nil || count < matching {
			b.Fatalf("-sizes takes numbers of %d or more, not %q", matching, size)
		}
		b.Run(size, func(b *testing.B) { benchmarkQueries(b, count) })
	}
}

func benchmarkQueries(b *testing.B, count int) {
	n, lite := startNATS(b, false), startSQLite(b)
	n.fill(b, "many", count)
	lite.fill(b, count)
	limit := pageSize
	request := func(filter, order string) event.Query {
		return event.Query{Collection: "many", Filter: json.RawMessage(filter), OrderBy: order, Limit: &limit}
	}
	n.must(b, event.SubjectQuery, request(`{"user":"user0"}`, "timestamp DESC")) // builds the index
	pick := func(i int) int { return i * 7919 % count }
	user := func(i int) string { return userOf(pick(i), count) }
	like := func(i int) string { return fmt.Sprintf("%%record %d9,%%", pick(i)/10) }
	indexed := func(i int) event.Query {
		return request(fmt.Sprintf(`{"user":%q}`, user(i)), "timestamp DESC")
	}
	unindexed := func(i int) event.Query {
		return request(fmt.Sprintf(`{"text":{"$like":%q}}`, like(i)), "timestamp DESC")
	}
	b.Run("indexed", func(b *testing.B) {
		measure(b, "sqlite", lite.query(lite.page, lite.count, user, matching))
		measure(b, "service", n.query(indexed, matching))
		measure(b, "store", func(ctx context.Context, i int) error {
			r, err := n.store.Query(ctx, indexed(i))
			if err == nil {
				err = check(len(r.Rows), r.Count, matching)
			}
			return err
		})
	})
	b.Run("unindexed", func(b *testing.B) {
		measure(b, "sqlite", lite.query(lite.likePage, lite.likeCount, like, 1))
		measure(b, "service", n.query(unindexed, 1))
	})
}

// check returns an error unless a page and its total are what a query must find.
func check(page, total, want int) error {
	if total > want || page != min(total, pageSize) {
		return fmt.Errorf("wrong result: %d of %d records", page, total)
	}
	return nil
}
