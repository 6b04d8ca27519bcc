package plugintest_test

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// greeted is the payload of plugin.greeter.event.greeted.
type greeted struct {
	User string `json:"user" mark:"person"`
}

var greeter = plugins.Plugin{
	Name: "greeter", Version: "1.0.0", Emits: map[string]any{"greeted": greeted{}},
	Commands: []plugins.Command{{
		Name: "hello", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			return append(c.Say("Hello, %s!", c.Command.User), c.Emit("greeted", map[string]any{"user": c.Command.User})...), nil
		},
	}},
}

// A test of a plugin: it says a line in a channel, and reads what the plugin says and
// emits. Repeat proves that a redelivery changes nothing.
func TestGreeter(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, greeter)
	if got := channel.Say("alice", "!hello"); got != "Hello, alice!" {
		t.Error(got)
	}
	channel.Emitted("plugin.greeter.event.greeted")
	channel.Repeat("greeter")
	if said := channel.Said(); len(said) != 1 {
		t.Errorf("it said %q", said)
	}
}

func Example() {
	// In a test file, with t the test:
	_ = func(t *testing.T) {
		channel := plugintest.Run(t, greeter)
		if got := channel.Say("alice", "!hello"); got != "Hello, alice!" {
			t.Error(got)
		}
	}
}
