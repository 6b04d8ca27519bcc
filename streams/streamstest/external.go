package streamstest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
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
	o.Host, o.NoSigs = "127.0.0.1", true
	if o.Port == 0 {
		o.Port = freePort(t)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	log := &problems{}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatalf("a server did not start: %q", log.all())
	}
	return s
}

// problems keeps what a server logs as a failure.
type problems struct {
	mu     sync.Mutex
	logged []string
}

func (p *problems) all() []string { p.mu.Lock(); defer p.mu.Unlock(); return p.logged }

// Errorf implements server.Logger, as do the others.
func (p *problems) Errorf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logged = append(p.logged, fmt.Sprintf(format, args...))
}

// Fatalf logs what ends a server's start.
func (p *problems) Fatalf(format string, args ...any) { p.Errorf(format, args...) }

// Noticef logs nothing.
func (p *problems) Noticef(string, ...any) {}

// Warnf logs nothing.
func (p *problems) Warnf(string, ...any) {}

// Debugf logs nothing.
func (p *problems) Debugf(string, ...any) {}

// Tracef logs nothing.
func (p *problems) Tracef(string, ...any) {}

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
