package host_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// twins are settings that are always set alike, at once.
type twins struct {
	Left  int `json:"left" default:"0" min:"0" max:"100000"`
	Right int `json:"right" default:"0" min:"0" max:"100000"`
}

// pair returns a plugin whose command emits the settings that it was handled with.
func pair() plugins.Plugin {
	p := plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		s := plugins.SettingsOf[twins](c)
		return c.Emit("handled", map[string]any{"left": s.Left, "right": s.Right, "of": c.Event.Ref.String()}), nil
	})
	p.Settings, p.Concurrent = twins{}, true
	return p
}

// While settings change, each command is handled once, with settings that held together.
func TestSettingsChangeUnderLoad(t *testing.T) {
	t.Parallel()
	const commands, users = 500, 20
	channel := plugintest.Run(t, pair())
	ctx := streamstest.Context(t)
	store, err := pluginsettings.Open(ctx, channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var changing sync.WaitGroup
	changes := 0
	changing.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			value := json.RawMessage(fmt.Sprint(n))
			u := pluginsettings.Update{Plugin: "x", Values: map[string]json.RawMessage{"left": value, "right": value}, By: "test"}
			if n%2 == 0 {
				u.Channel = plugintest.ChannelName
			}
			if _, err := store.Apply(ctx, channel.Bus, u); err != nil {
				t.Error(err)
				return
			}
			changes++
		}
	})
	began := time.Now()
	for i := range commands {
		channel.Type(fmt.Sprintf("user%d", i%users), 1, "!x")
	}
	channel.Settle("x")
	took := time.Since(began)
	close(done)
	changing.Wait()
	handled, values := map[string]int{}, map[int]bool{}
	for _, s := range channel.Stored("plugin.x.event.handled") {
		var of struct {
			Left, Right int
			Of          string
		}
		if err := json.Unmarshal(s.Data, &of); err != nil || of.Left != of.Right {
			t.Errorf("handled with %+v: %v", of, err)
		}
		handled[of.Of]++
		values[of.Left] = true
	}
	for of, n := range handled {
		if n != 1 {
			t.Errorf("%s was handled %d times", of, n)
		}
	}
	if len(handled) != commands || changes < 2 || len(values) < 2 {
		t.Errorf("%d of %d commands were handled, with %d values, of %d changes", len(handled), commands, len(values), changes)
	}
	t.Logf("%d commands in %s, %.0f a second, beside %d changes of two settings: %d values seen, none half", commands, took.Round(time.Millisecond), commands/took.Seconds(), changes, len(values))
}
