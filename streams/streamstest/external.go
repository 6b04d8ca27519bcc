package streamstest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// External starts a server as an operator runs it, with at most max bytes of file
// storage in a directory. It is stopped when the test ends.
func External(t testing.TB, store string, max int64) (nc *nats.Conn, address string) {
	t.Helper()
	nc, s := connected(t, &server.Options{ServerName: "external", JetStream: true, StoreDir: store, JetStreamMaxStore: max})
	return nc, (&url.URL{Scheme: "nats", Host: s.Addr().(*net.TCPAddr).String()}).String()
}

// connected is Standalone with a connection, which is closed when the test ends.
func connected(t testing.TB, o *server.Options) (*nats.Conn, *server.Server) {
	t.Helper()
	s := Standalone(t, o)
	closed := make(chan struct{})
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); <-closed })
	return nc, s
}

// Standalone starts a server with these options on 127.0.0.1, on a free port unless they
// name one, and stops it when the test ends. With the same options a test starts it again.
func Standalone(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.NoSigs, o.LogFile = "127.0.0.1", true, filepath.Join(t.TempDir(), "server.log")
	if o.Port == 0 {
		o.Port = freePort(t)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.ConfigureLogger()
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		log, _ := os.ReadFile(o.LogFile)
		t.Fatalf("a server did not start:\n%s", log)
	}
	return s
}

// freePort returns a port that nobody listens on, and that the system gives to no
// connection and to nobody who asks for any: it stays free until a server takes it, and
// between the end of one and the start of the next.
func freePort(t testing.TB) int {
	t.Helper()
	const first, end = 10000, 32768 // Linux gives those above, others those from 49152
	for {
		port := first + rand.N(end-first)
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return port
	}
}
