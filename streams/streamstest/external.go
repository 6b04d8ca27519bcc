package streamstest

import (
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// External starts a server that is not the bot's own, as an operator runs it: with
// file storage in a directory, of which it uses so many bytes (max_file_store). It
// is stopped when the test ends. The URL is for everybody on this machine.
func External(t testing.TB, store string, max int64) (nc *nats.Conn, address string) {
	t.Helper()
	nc, s := foreign(t, &server.Options{ServerName: "external", JetStream: true, StoreDir: store, JetStreamMaxStore: max})
	return nc, (&url.URL{Scheme: "nats", Host: s.Addr().(*net.TCPAddr).String()}).String()
}

// foreign is Foreign with a connection, which ends with the test too.
func foreign(t testing.TB, o *server.Options) (*nats.Conn, *server.Server) {
	t.Helper()
	s := Foreign(t, o)
	closed := make(chan struct{})
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); <-closed })
	return nc, s
}

// Foreign starts a server with these options on a free port of 127.0.0.1 that ends
// with the test.
func Foreign(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("a server did not start")
	}
	return s
}
