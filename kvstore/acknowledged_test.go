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

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A query sees every write that was acknowledged before it was sent, by whatever
// connection and past the store, whether the service answers it or another instance.
func TestQueriesSeeWritesOfOtherConnections(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	store := openStore(t, jetStream(t, streamstest.Connect(t, server)))
	client := serve(t, server)
	set(t, store, "c", "first", `{}`)
	find(t, store, "c", "", "")
	request(t, client, event.SubjectQuery, `{"collection":"c"}`)

	var wait sync.WaitGroup
	for w := range 3 {
		kv, err := jetStream(t, streamstest.Connect(t, server)).KeyValue(streamstest.Context(t), "db_c")
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			for i := range 100 {
				key := fmt.Sprintf("w%d-%d", w, i)
				record := fmt.Sprintf(`{"id":%q,"i":%d}`, key, i)
				if _, err := kv.Put(streamstest.Context(t), key, []byte(record)); err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					want := `{"success":true,"data":[` + record + `],"count":1,"error":null}`
					if got := request(t, client, event.SubjectQuery, `{"collection":"c","filter":`+record+`}`); got != want {
						t.Errorf("%s was written, and the service finds %s", key, got)
					}
				} else if r := find(t, store, "c", record, ""); r.Count != 1 {
					t.Errorf("%s was written, and a store finds %d", key, r.Count)
				}
			}
		})
	}
	wait.Wait()
}

// serve runs the database service on a server, and returns a client's connection.
func serve(t *testing.T, server *embedded.Server) *nats.Conn {
	t.Helper()
	nc := streamstest.Connect(t, server)
	store, err := kvstore.NewStore(jetStream(t, nc), kvstore.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	s := service.New(nc, store, service.Options{})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return streamstest.Connect(t, server)
}

func request(t *testing.T, nc *nats.Conn, subject, body string) string {
	t.Helper()
	reply, err := nc.RequestWithContext(streamstest.Context(t), subject, []byte(body))
	if err != nil {
		t.Error(err)
		return ""
	}
	return string(reply.Data)
}

// A query sees what was written while the connection was lost.
func TestQueriesAfterReconnect(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	writer := openStore(t, jetStream(t, streamstest.Connect(t, server)))
	link := newLink(t, server)
	reader := openStore(t, link.js)
	for n := range 5 {
		set(t, writer, "c", "", `{}`)
		if r := find(t, reader, "c", "", ""); r.Count != 2*n+1 {
			t.Errorf("before: %d of %d records", r.Count, 2*n+1)
		}
		link.cut(t)
		set(t, writer, "c", "", `{}`)
		link.restore(t)
		if r := find(t, reader, "c", "", ""); r.Count != 2*n+2 {
			t.Errorf("after: %d of %d records", r.Count, 2*n+2)
		}
	}
}

// A link is a connection that can be cut.
type link struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	isCut  atomic.Bool
	status chan nats.Status
}

func newLink(t *testing.T, server *embedded.Server) *link {
	t.Helper()
	l := &link{}
	closed := make(chan struct{})
	var err error
	l.nc, err = nats.Connect(server.Info().URL, nats.UserInfo(server.Info().User, server.Info().Password), nats.SetCustomDialer(l),
		nats.ReconnectWait(10*time.Millisecond), nats.MaxReconnects(-1), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.nc.Close(); <-closed })
	l.js, l.status = jetStream(t, l.nc), l.nc.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	return l
}

// Dial lets nobody through while the link is cut.
func (l *link) Dial(network, address string) (net.Conn, error) {
	if l.isCut.Load() {
		return nil, errors.New("the link is cut")
	}
	return net.Dial(network, address)
}

func (l *link) cut(t *testing.T) {
	t.Helper()
	l.isCut.Store(true)
	if err := l.nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	l.await(t, nats.RECONNECTING)
}

func (l *link) restore(t *testing.T) {
	t.Helper()
	l.isCut.Store(false)
	l.await(t, nats.CONNECTED)
}

func (l *link) await(t *testing.T, want nats.Status) {
	t.Helper()
	for {
		select {
		case got := <-l.status:
			if got == want {
				return
			}
		case <-streamstest.Context(t).Done():
			t.Fatalf("the connection is %v, not %v", l.nc.Status(), want)
		}
	}
}
