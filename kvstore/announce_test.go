package kvstore_test

import (
	"errors"
	"fmt"
	"net"
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

// Where a bucket's announcements go elsewhere, queries ask the server.
func TestQueriesWithoutAnnouncements(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	writer := openStore(t, jetStream(t, streamstest.Connect(t, server)))
	js := jetStream(t, streamstest.Connect(t, server))
	reader := openStore(t, js)
	if _, err := js.CreateKeyValue(streamstest.Context(t), jetstream.KeyValueConfig{Bucket: "db_c", RePublish: &jetstream.RePublish{Source: ">", Destination: "elsewhere.>"}}); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		set(t, writer, "c", "", `{}`)
		if r := query(t, reader, "c", "", ""); r.Count != n+1 {
			t.Errorf("%d of %d records", r.Count, n+1)
		}
	}
}

// gate is a dialer that lets nobody through while it is shut.
type gate struct {
	mu   sync.Mutex
	shut bool
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
}

func (g *gate) Dial(network, address string) (net.Conn, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return nil, errors.New("the gate is shut")
	}
	return net.Dial(network, address)
}

// What was written while the connection was lost is seen when it is back, though
// it was announced to nobody.
func TestQueriesAfterReconnect(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	writer := openStore(t, jetStream(t, streamstest.Connect(t, server)))
	var g gate
	closed := make(chan struct{})
	nc, err := nats.Connect(server.Info().URL, nats.UserInfo(server.Info().User, server.Info().Password), nats.SetCustomDialer(&g),
		nats.ReconnectWait(10*time.Millisecond), nats.MaxReconnects(-1), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); <-closed })
	reader := openStore(t, jetStream(t, nc))
	for n := range 5 {
		set(t, writer, "c", "", `{}`)
		if r := query(t, reader, "c", "", ""); r.Count != 2*n+1 {
			t.Errorf("before: %d of %d records", r.Count, 2*n+1)
		}
		g.set(true)
		if err := nc.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); nc.IsConnected(); {
			if time.Now().After(deadline) {
				t.Fatal("the connection was not lost")
			}
		}
		set(t, writer, "c", "", `{}`)
		g.set(false)
		for deadline := time.Now().Add(20 * time.Second); !nc.IsConnected(); {
			if time.Now().After(deadline) {
				t.Fatal("the connection did not come back")
			}
		}
		if r := query(t, reader, "c", "", ""); r.Count != 2*n+2 {
			t.Errorf("after: %d of %d records", r.Count, 2*n+2)
		}
	}
}
