package cytube_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// cable is a network between a client and a server that can be cut.
type cable struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

func newCable(t testing.TB, target string) *cable {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l, target: target, conns: map[net.Conn]bool{}}
	c.wg.Go(c.accept)
	t.Cleanup(func() {
		l.Close()
		c.setCut(true)
		c.wg.Wait()
	})
	return c
}

func (c *cable) accept() {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.target)
		c.mu.Lock()
		if err != nil || c.cut {
			c.mu.Unlock()
			near.Close()
			if err == nil {
				far.Close()
			}
			continue
		}
		c.conns[near], c.conns[far] = true, true
		c.mu.Unlock()
		for _, ends := range [][2]net.Conn{{near, far}, {far, near}} {
			c.wg.Go(func() {
				_, _ = io.Copy(ends[0], ends[1])
				ends[0].Close()
				ends[1].Close()
			})
		}
	}
}

func (c *cable) setCut(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for conn := range c.conns {
			conn.Close()
			delete(c.conns, conn)
		}
	}
}

// wired returns a Bus on a connection through a cable.
func (w *world) wired() (*streams.Bus, *cable) {
	w.t.Helper()
	info := w.nats.Info()
	u, err := url.Parse(info.URL)
	w.ok(err)
	cable := newCable(w.t, u.Host)
	closed := make(chan struct{})
	nc, err := nats.Connect("nats://"+cable.listener.Addr().String(), nats.UserInfo(info.User, info.Password), nats.MaxReconnects(-1),
		nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(time.Millisecond, time.Millisecond),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	w.ok(err)
	w.t.Cleanup(func() { nc.Close(); <-closed })
	js, err := jetstream.New(nc)
	w.ok(err)
	return streams.NewBus(nc, js), cable
}

// While NATS is away the connector waits with what it hears, and records all of
// it, once and in order, when NATS is back.
func TestNATSAway(t *testing.T) {
	streamstest.Slow(t, "restarts NATS")
	t.Parallel()
	w := newWorld(t)
	bus, cable := w.wired()
	b := w.run(cytube.New(bus, w.cfg))
	w.connection(event.StateUp)
	alice := w.user("alice")
	var want []string
	for i := range 40 {
		cable.setCut(i%20 >= 5 && i%20 < 15)
		want = append(want, fmt.Sprint(i))
		w.say(alice, i, i)
		if i%20 == 4 || i%20 == 19 {
			w.heard(fmt.Sprint(i))
		}
	}
	if diff := cmp.Diff(want, w.lines()); diff != "" {
		t.Error(diff)
	}
	w.echo(w.chat("and it speaks"), 1)
	if s := b.Stats(); s.Joins != 1 || s.Unrecorded != 0 {
		t.Errorf("got %+v", s)
	}
}

// Who closes the connection to NATS ends the connector.
func TestNATSClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nc, err := w.nats.Connect()
	w.ok(err)
	js, err := jetstream.New(nc)
	w.ok(err)
	done := make(chan error, 1)
	c := cytube.New(streams.NewBus(nc, js), w.cfg)
	go func() { done <- c.Run(w.ctx) }()
	w.connection(event.StateUp)
	nc.Close()
	select {
	case err := <-done:
		if err == nil {
			t.Error("Run ended without an error")
		}
	case <-w.ctx.Done():
		t.Error("Run goes on")
	}
}
