package cytube_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// external moves the world to a server as an operator runs it.
func (w *world) external() (*server.Server, *server.Options) {
	w.t.Helper()
	o := &server.Options{ServerName: "external", JetStream: true, StoreDir: w.t.TempDir()}
	s := streamstest.Standalone(w.t, o)
	w.use(s.ClientURL())
	return s, o
}

// cluster moves the world to three servers as an operator runs them.
func (w *world) cluster() ([]*server.Server, []*server.Options) {
	w.t.Helper()
	var options []*server.Options
	_, servers := streamstest.Cluster(w.t, func(o *server.Options) { options = append(options, o) })
	w.replicas = len(servers)
	w.use(servers[0].ClientURL() + "," + servers[1].ClientURL() + "," + servers[2].ClientURL())
	return servers, options
}

// use moves the world to the streams of servers.
func (w *world) use(url string) {
	w.t.Helper()
	closed := make(chan struct{})
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.ReconnectJitter(time.Millisecond, time.Millisecond),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	w.ok(err)
	w.t.Cleanup(func() { nc.Close(); <-closed })
	js, err := jetstream.New(nc)
	w.ok(err)
	w.ok(streams.Open(w.ctx, js, streams.Options{Replicas: max(w.replicas, 1)}))
	w.bus = streams.NewBus(nc, js)
	w.feed = w.follow()
}

// restart stops all servers, and returns a function that starts them again.
func (w *world) restart(servers []*server.Server, options []*server.Options) (over func()) {
	for _, s := range servers {
		s.Shutdown()
		s.WaitForShutdown()
	}
	return func() {
		for _, o := range options {
			streamstest.Standalone(w.t, o)
		}
	}
}

// fill has a server take no event, and returns a function that ends that.
func (w *world) fill(s *server.Server) (over func()) {
	limit := func(bytes int64) {
		account, err := s.LookupAccount(server.DEFAULT_GLOBAL_ACCOUNT)
		w.ok(err)
		w.ok(account.UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": {
			MaxMemory: -1, MaxStore: bytes, MaxStreams: -1, MaxConsumers: -1, MaxAckPending: -1, MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1,
		}}))
	}
	limit(1)
	return func() { limit(-1) }
}

// What is heard while every external server is restarted, or is full, for longer than the
// channel's lease, is stored once and in order when they take events again.
func TestHeardIsRecordedAfterAnOutageOfAllServers(t *testing.T) {
	streamstest.Slow(t, "waits for the end of a lease")
	t.Parallel()
	for name, begin := range map[string]func(w *world) (outage func() (over func())){
		"restarted": func(w *world) func() func() {
			s, o := w.external()
			return func() func() { return w.restart([]*server.Server{s}, []*server.Options{o}) }
		},
		"three restarted": func(w *world) func() func() {
			servers, options := w.cluster()
			return func() func() { return w.restart(servers, options) }
		},
		"full": func(w *world) func() func() {
			s, _ := w.external()
			return func() func() { return w.fill(s) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallBuffer)
			outage := begin(w)
			b, leave := w.leased(w.bus)
			w.connection(event.StateUp)
			alice := w.joined("alice")

			over := outage()
			var want []string
			for i := range 20 {
				want = append(want, fmt.Sprint(i))
				w.say(alice, i, i)
			}
			w.ok(until(w.ctx, func() bool { return b.Stats().Queue >= len(want)-1 }))
			leave()
			w.ok(w.site.WaitGone(w.ctx, lounge, w.cfg.User)) // the lease is lost
			w.logged("record channel failed, retrying")()
			over()

			w.ok(until(w.ctx, func() bool { return len(w.connections()) >= 3 }))
			if diff := cmp.Diff(want, w.lines()); diff != "" {
				t.Error(diff)
			}
			if s := b.Stats(); s.Unrecorded != 0 {
				t.Errorf("got %+v", s)
			}
		})
	}
}
