package kvstore_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Whoever learns of an acknowledged write, by whatever way, finds it with the
// service, though the service does not ask the server before each query.
func TestQueriesComeBehindAcknowledgedWrites(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	addService(t, server)
	direct := openStore(t, jetStream(t, streamstest.Connect(t, server)))
	reader := streamstest.Connect(t, server)
	ask(t, reader, "database.set", `{"collection":"c","id":"first","data":{}}`)
	ask(t, reader, "database.query", `{"collection":"c"}`)
	query(t, direct, "c", "", "")

	questions, err := reader.Subscribe("$JS.API.DIRECT.GET.KV_db_c", func(*nats.Msg) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Flush(); err != nil {
		t.Fatal(err)
	}
	var queries atomic.Int64
	var wait sync.WaitGroup
	for w := range 3 {
		kv, err := jetStream(t, streamstest.Connect(t, server)).KeyValue(streamstest.Context(t), "db_c")
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			for i := range 100 {
				key := fmt.Sprintf("w%d-%d", w, i)
				if _, err := kv.Put(streamstest.Context(t), key, fmt.Appendf(nil, `{"id":%q,"i":%d}`, key, i)); err != nil {
					t.Error(err)
					return
				}
				queries.Add(1)
				filter := fmt.Sprintf(`{"id":%q,"i":%d}`, key, i)
				if i%2 == 0 {
					if got := ask(t, reader, "database.query", `{"collection":"c","filter":`+filter+`}`); got != fmt.Sprintf(`{"success":true,"data":[{"id":%q,"i":%d}],"count":1,"error":null}`, key, i) {
						t.Errorf("%s was written, and the service finds %s", key, got)
					}
				} else if r := query(t, direct, "c", filter, ""); r.Count != 1 {
					t.Errorf("%s was written, and a store finds %d", key, r.Count)
				}
			}
		})
	}
	wait.Wait()
	asked, err := questions.Delivered()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d queries, %d questions to the server", queries.Load(), asked)
}

// Without writes, one question to the server serves the queries of a second.
func TestQueriesAskSeldom(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	ask(t, nc, "database.set", `{"collection":"c","id":1,"data":{}}`)
	ask(t, nc, "database.query", `{"collection":"c"}`)
	var questions atomic.Int64
	if _, err := nc.Subscribe("$JS.API.DIRECT.GET.KV_db_c", func(*nats.Msg) { questions.Add(1) }); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	const queries = 200
	for range queries {
		ask(t, nc, "database.query", `{"collection":"c"}`)
	}
	if seconds := int64(time.Since(start)/time.Second) + 2; questions.Load() > seconds {
		t.Errorf("%d questions for %d queries in less than %d s", questions.Load(), queries, seconds)
	}
}

// Where a bucket's announcements go elsewhere, or the connection was lost for a
// while, queries ask the server and are right all the same.
func TestQueriesWithoutAnnouncements(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	writer := openStore(t, jetStream(t, streamstest.Connect(t, server)))
	nc := streamstest.Connect(t, server)
	reader := openStore(t, jetStream(t, nc))
	ctx := streamstest.Context(t)
	if _, err := jetStream(t, nc).CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "db_elsewhere", RePublish: &jetstream.RePublish{Source: ">", Destination: "elsewhere.>"}}); err != nil {
		t.Fatal(err)
	}
	for _, collection := range []string{"elsewhere", "c"} {
		n := 0
		check := func(what string) {
			t.Helper()
			for range 10 {
				set(t, writer, collection, "", `{}`)
				n++
				if r := query(t, reader, collection, "", ""); r.Count != n {
					t.Errorf("%s, %s: %d of %d records", collection, what, r.Count, n)
				}
			}
		}
		check("at first")
		before := nc.Stats().Reconnects
		if err := nc.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		set(t, writer, collection, "", `{}`)
		n++
		deadline := time.Now().Add(20 * time.Second)
		for nc.Stats().Reconnects == before || !nc.IsConnected() {
			if time.Now().After(deadline) {
				t.Fatal("no reconnect")
			}
		}
		check("after a reconnect")
	}
}
