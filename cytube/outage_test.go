package cytube_test

import (
	"fmt"
	"net"
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
	closed := make(chan struct{})
	nc, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(time.Millisecond, time.Millisecond),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	w.ok(err)
	w.t.Cleanup(func() { nc.Close(); <-closed })
	js, err := jetstream.New(nc)
	w.ok(err)
	w.ok(streams.Open(w.ctx, js, streams.Options{}))
	w.bus = streams.NewBus(nc, js)
	w.feed = w.follow()
	return s, o
}

// What is heard while every external server is restarted, or is full, for longer than the
// channel's lease, is stored once and in order when they take events again.
func TestHeardIsRecordedAfterAnOutageOfAllServers(t *testing.T) {
	streamstest.Slow(t, "waits for the end of a lease")
	t.Parallel()
	for name, outage := range map[string]func(w *world, s *server.Server, o *server.Options) (over func()){
		"restarted": func(w *world, s *server.Server, o *server.Options) func() {
			o.Port = s.Addr().(*net.TCPAddr).Port
			s.Shutdown()
			s.WaitForShutdown()
			return func() {
				again, err := server.NewServer(o)
				w.ok(err)
				again.Start()
				w.t.Cleanup(func() { again.Shutdown(); again.WaitForShutdown() })
			}
		},
		"full": func(w *world, s *server.Server, _ *server.Options) func() {
			limit := func(bytes int64) {
				account, err := s.LookupAccount(server.DEFAULT_GLOBAL_ACCOUNT)
				w.ok(err)
				w.ok(account.UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": {
					MaxMemory: -1, MaxStore: bytes, MaxStreams: -1, MaxConsumers: -1, MaxAckPending: -1, MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1,
				}}))
			}
			limit(1)
			return func() { limit(-1) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallBuffer)
			s, o := w.external()
			b := w.leased(w.bus)
			w.connection(event.StateUp)
			alice := w.joined("alice")

			over := outage(w, s, o)
			var want []string
			for i := range 20 {
				want = append(want, fmt.Sprint(i))
				w.say(alice, i, i)
			}
			w.ok(until(w.ctx, func() bool { return b.Stats().Queue >= len(want)-1 }))
			w.ok(w.site.WaitGone(w.ctx, lounge, w.cfg.User)) // the lease is lost
			w.logged("record channel failed, retrying")()
			over()

			w.ok(until(w.ctx, func() bool { _, err := w.bus.JetStream().Stream(w.ctx, streams.Cytube); return err == nil }))
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
