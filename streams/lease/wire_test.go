package lease_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A holder that the network has cut off stops before another starts, and gets
// the lease again when the other gives it up.
func TestHolderIsCutOff(t *testing.T) {
	streamstest.Slow(t, "waits for leases to end")
	t.Parallel()
	s := streamstest.Server(t)
	wire := newWire(t, s.Info().URL)
	nc, err := nats.Connect(wire.url(), nats.UserInfo(s.Info().User, s.Info().Password), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	var both speaking
	first := both.hold(t, open(t, nc, "first").New("k"))
	first.await(t)
	second := both.hold(t, open(t, streamstest.Connect(t, s), "second").New("k"))
	wire.cut()
	second.await(t)
	if first.Valid() {
		t.Error("both hold the lease")
	}
	wire.mend()
	ctx := streamstest.Context(t)
	wait(t, ctx, func() bool { o, ok := first.OtherHolder(); return ok && o.Holder == "second" })
	second.stop()
	first.await(t)
	if n := both.most.Load(); n != 1 {
		t.Errorf("%d held the lease at a time", n)
	}
}

// wire is a network between a client and a server that can be cut: nothing gets
// through, and neither end has an error.
type wire struct {
	t      *testing.T
	target string
	l      net.Listener
	wg     sync.WaitGroup

	mu    sync.Mutex
	whole chan struct{} // closed while it is whole
	conns []net.Conn
}

func newWire(t *testing.T, url string) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, target: url[len("nats://"):], l: l, whole: make(chan struct{})}
	close(w.whole)
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		l.Close()
		w.mend()
		w.mu.Lock()
		for _, c := range w.conns {
			c.Close()
		}
		w.mu.Unlock()
		w.wg.Wait()
	})
	return w
}

func (w *wire) url() string { return "nats://" + w.l.Addr().String() }

func (w *wire) accept() {
	for {
		a, err := w.l.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", w.target)
		if err != nil {
			a.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, a, b)
		w.mu.Unlock()
		w.wg.Go(func() { w.carry(a, b) })
		w.wg.Go(func() { w.carry(b, a) })
	}
}

func (w *wire) carry(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		whole := w.whole
		w.mu.Unlock()
		<-whole
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole = make(chan struct{})
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.whole:
	default:
		close(w.whole)
	}
}
