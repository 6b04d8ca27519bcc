package examples_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

func TestNodePlugin(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	need(t, err, "the plugin in JavaScript needs Node.js")
	_, err = os.Stat("plugin-node/node_modules/@nats-io/jetstream")
	need(t, err, "the packages of the plugin in JavaScript are missing: run npm ci in examples/plugin-node")
	b := newBus(t)
	stop := b.start("coin", "plugin-node", nil, node, "coin.js")
	b.tossCoin(t)
	b.retried("coin", "coin")
	b.sendBare(t)

	// A command for a plugin that is down stays in the stream until it expires.
	stop()
	line := b.say("!coin")
	b.await("the router", func() bool { return len(b.stored("plugin.coin.command")) == 10 })
	b.start("coin", "plugin-node", []string{"COIN_MAX_AGE=0.001"}, node, "coin.js")
	expired := b.next("plugin.coin.event.expired")
	if x, err := event.As[event.Expired](expired.Envelope); err != nil || x.Subject != "plugin.coin.command" || expired.CorrelationID != line.CorrelationID {
		t.Errorf("expired %+v, %v", x, err)
	}
}

// A command that is on its way when the plugin is stopped is settled.
func TestNodePluginStops(t *testing.T) {
	t.Parallel()
	needProgram(t)
	_, err := os.Stat("plugin-node/node_modules/@nats-io/jetstream")
	need(t, err, "the packages of the plugin in JavaScript are missing: run npm ci in examples/plugin-node")
	verify(t, "plugin-node", "--check", "shutdown", "--", "node", "coin.js")
}

// tossCoin tosses a coin, has the toss redelivered, and counts.
func (b *bus) tossCoin(t *testing.T) {
	t.Helper()
	line := b.say("!coin")
	reply := b.next(event.SubjectSendChat)
	side := regexp.MustCompile(`^🪙 alice: (heads|tails)$`).FindStringSubmatch(message(t, reply))
	if side == nil {
		t.Fatalf("it said %q", message(t, reply))
	}
	b.check(reply, line, "coin")
	b.repeat("coin")

	count := b.say("!coin count")
	reply = b.next(event.SubjectSendChat)
	if got := message(t, reply); !strings.Contains(got, "1 "+side[1]) || !strings.Contains(got, "0 ") {
		t.Errorf("after one toss that showed %s and was handled twice, it counts %q", side[1], got)
	}
	b.check(reply, count, "coin")
	b.say("!coin juggle")
	if got := message(t, b.next(event.SubjectSendChat)); got != "❌ I do not know juggle: say coin or coin count" {
		t.Errorf("it said %q", got)
	}
	if n := len(b.stored(event.AllSends)); n != 3 {
		t.Errorf("it said %d things, want 3", n)
	}
}

// sendBare publishes a command without an envelope, as the NATS CLI does, and malformed
// ones.
func (b *bus) sendBare(t *testing.T) {
	t.Helper()
	if err := b.Conn().Publish("plugin.coin.command", []byte(`{"command":"coin","user":"bob","args":["count"]}`)); err != nil {
		t.Fatal(err)
	}
	if got := message(t, b.next(event.SubjectSendChat)); !strings.HasPrefix(got, "🪙 ") {
		t.Errorf("a bare payload was answered %q", got)
	}
	for _, body := range []string{`not JSON`, `{"command":"coin"}`, `null`} {
		if err := b.Conn().Publish("plugin.coin.command", []byte(body)); err != nil {
			t.Fatal(err)
		}
		l, err := event.As[event.DeadLetter](b.next("plugin.coin.event.dead_letter").Envelope)
		if err != nil || l.Attempts != 1 || !strings.HasPrefix(l.Error, "malformed event: ") || l.Subject != "plugin.coin.command" {
			t.Errorf("%s: %+v, %v", body, l, err)
		}
	}
}
