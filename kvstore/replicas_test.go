package kvstore_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// On a cluster a collection is on three servers; reads go to the one that knows
// of every write, and requests that are repeated are recognised there too.
func TestReplicas(t *testing.T) {
	streamstest.Slow(t, "runs a cluster")
	t.Parallel()
	conns, _ := streamstest.Cluster(t)
	var stores []*kvstore.Store // the last one scans
	for i, nc := range conns {
		limit := int64(1 << 30)
		if i == 2 {
			limit = 1
		}
		stores = append(stores, openStore(t, jetStream(t, nc), kvstore.WithReplicas(3), kvstore.WithMemoryLimit(limit)))
	}
	readAcrossReplicas(t, stores)
	repeatAcrossReplicas(t, stores)
	expectReplicas(t, conns[1], "KV_db_c")
	spreadBucket(t, conns)
}

// readAcrossReplicas has each store find what others wrote.
func readAcrossReplicas(t *testing.T, stores []*kvstore.Store) {
	t.Helper()
	var wait sync.WaitGroup
	for w, writer := range stores {
		wait.Go(func() {
			for i := range 8 {
				id := event.ID(fmt.Sprintf("w%d-%d", w, i))
				set(t, writer, "c", id, fmt.Sprintf(`{"i":%d}`, i))
				reader := stores[(w+i)%3]
				if got := get(t, reader, "c", id); got == "" {
					t.Errorf("%s is not there", id)
				}
				if r := find(t, reader, "c", fmt.Sprintf(`{"id":%q}`, id), ""); r.Count != 1 {
					t.Errorf("%s is not found", id)
				}
				set(t, writer, "n", "", `{}`)
			}
		})
	}
	wait.Wait()
	if r := find(t, stores[0], "n", "", ""); r.Count != 24 || r.Rows[23].ID != "24" {
		t.Errorf("%d records, the last %s", r.Count, r.Rows[len(r.Rows)-1].ID)
	}

}

// repeatAcrossReplicas sends requests again, to another store: what was done comes back,
// and what was not is done after a failure with the same message id.
func repeatAcrossReplicas(t *testing.T, stores []*kvstore.Store) {
	t.Helper()
	ctx := streamstest.Context(t)
	answer := func(s *kvstore.Store, id, subject, body string) string {
		return string(service.Answer(kvstore.WithMsgID(ctx, id), s, subject, []byte(body)))
	}
	for _, c := range []struct{ subject, body string }{
		{"database.set", `{"collection":"r","id":1,"data":{"n":1},"if_revision":0}`},
		{"database.update", `{"collection":"r","id":1,"ops":{"$inc":{"n":1}}}`},
		{"database.set", `{"collection":"r","id":1,"data":{"m":1},"merge":true}`},
		{"database.set", `{"collection":"r","data":{}}`},
		{"database.delete", `{"collection":"r","id":1}`},
	} {
		first := answer(stores[0], c.body, c.subject, c.body)
		if !strings.HasPrefix(first, `{"success":true`) {
			t.Errorf("%s: %s", c.body, first)
		}
		if again := answer(stores[1], c.body, c.subject, c.body); again != first {
			t.Errorf("%s\nfirst %s\nagain %s", c.body, first, again)
		}
	}
	conflict := answer(stores[0], "later", "database.set", `{"collection":"r","id":1,"data":{},"if_revision":99}`)
	if event.CodeOf(event.ReplyError([]byte(conflict))) != event.DatabaseError {
		t.Errorf("conflict: %s", conflict)
	}
	if got := answer(stores[1], "later", "database.set", `{"collection":"r","id":1,"data":{},"if_revision":0}`); !strings.HasPrefix(got, `{"success":true`) {
		t.Errorf("after a conflict: %s", got)
	}

}

// expectReplicas checks that a stream is on three servers.
func expectReplicas(t *testing.T, nc *nats.Conn, stream string) {
	t.Helper()
	info, err := jetStream(t, nc).Stream(streamstest.Context(t), stream)
	if err != nil {
		t.Fatal(err)
	}
	if c := info.CachedInfo().Config; c.Replicas != 3 || c.AllowDirect {
		t.Errorf("%s has %d replicas, direct reads %v", stream, c.Replicas, c.AllowDirect)
	}
}

// spreadBucket makes a bucket on one server: it is spread when it is opened for three,
// and stays so, whatever a tool with other settings opens it for.
func spreadBucket(t *testing.T, conns []*nats.Conn) {
	t.Helper()
	one := openStore(t, jetStream(t, conns[0]))
	set(t, one, "old", "x", `{}`)
	set(t, openStore(t, jetStream(t, conns[1]), kvstore.WithReplicas(3)), "old", "y", `{}`)
	expectReplicas(t, conns[2], "KV_db_old")
	if got := get(t, one, "old", "y"); got == "" {
		t.Error("the record is gone for the store that knew the bucket on one server")
	}
	for _, opts := range [][]kvstore.Option{nil, {kvstore.WithReplicas(1)}, {kvstore.WithReplicas(2)}} {
		if got := get(t, openStore(t, jetStream(t, conns[0]), opts...), "old", "y"); got == "" {
			t.Error("the record is gone for a store with other settings")
		}
		expectReplicas(t, conns[2], "KV_db_old")
	}
}
