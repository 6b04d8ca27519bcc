package plugintest_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// Settle does not return while a handler runs, however often it looks, nor before the events
// that come of it are handled.
func TestSettleWaitsForHandlers(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	defer release()
	var handled atomic.Int32
	slow := plugins.Plugin{
		Name: "slow", Version: "1.0.0", Emits: map[string]any{"done": struct{}{}},
		Commands: []plugins.Command{{Name: "work", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			<-released
			handled.Add(1)
			return c.Emit("done", map[string]any{}), nil
		}}},
		Events: []plugins.Subscription{{Subject: "plugin.slow.event.done", Handle: func(*plugins.Context) ([]event.Envelope, error) {
			handled.Add(1)
			return nil, nil
		}}},
	}
	channel := plugintest.Run(t, slow)
	const looks = 5
	var looked atomic.Int32
	sub, err := channel.Bus.Conn().Subscribe("$JS.API.CONSUMER.LIST.PLUGIN", func(*nats.Msg) {
		if looked.Add(1) == looks {
			release()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	channel.Type("alice", 1, "!work")
	channel.Settle("slow")
	if handled.Load() != 2 {
		t.Errorf("it settled after %d looks, with %d of 2 events handled", looked.Load(), handled.Load())
	}
}
