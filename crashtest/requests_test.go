package crashtest

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Each instance's requests are counted, also those of one that has ended.
func TestRequestCounts(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	server := streamstest.Server(t)
	bus := streamstest.Bus(t, server)
	counts := requestCounts{}
	serve := func() (stop func()) {
		nc := streamstest.Connect(t, server)
		store, err := kvstore.NewStore(bus.JetStream())
		if err != nil {
			t.Fatal(err)
		}
		service := service.New(nc, store, service.Options{})
		if err := service.Start(); err != nil {
			t.Fatal(err)
		}
		stopped := false
		stop = func() {
			if !stopped {
				stopped = true
				if err := service.Stop(); err != nil {
					t.Error(err)
				}
			}
		}
		t.Cleanup(stop)
		return stop
	}
	ask := func(n int) {
		t.Helper()
		for range n {
			if _, err := bus.Request(ctx, event.SubjectSet, map[string]any{"collection": "c", "data": map[string]any{}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop := serve()
	ask(7)
	counts.poll(ctx, bus.Conn())
	stop()
	serve()
	ask(5)
	counts.poll(ctx, bus.Conn())
	total, note := describeRequests(counts.list())
	if total != 12 || note != "by 2 instances of the database, each start of a bot being one: [7 5]" {
		t.Errorf("%d %s", total, note)
	}
}
