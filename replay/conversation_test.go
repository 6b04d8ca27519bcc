package replay

import (
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func TestReadConversation(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	id := event.NewCorrelationID()
	chat := publish(propagation.WithCorrelation(ctx, id), t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "!roll", Channel: "lounge", Rank: 1, Time: 1})
	handling := propagation.WithCause(ctx, id, chat)
	command := publish(handling, t, bus.As("router"), event.CommandSubject("dice"), event.Command{Command: "roll", User: "alice", Channel: "lounge", RawMessage: "!roll"})
	answer := publish(propagation.WithCause(ctx, id, command), t, bus.As("plugin-dice"), event.SubjectSendChat, event.SendChat{Message: "3", Channel: "lounge"})
	chatter(ctx, t, bus, 3)
	for _, name := range []string{id, id[:8], answer.String()} {
		c, err := ReadConversation(ctx, bus.JetStream(), name, ConversationOptions{Nearby: true})
		if err != nil {
			t.Fatal(err)
		}
		if c.ID != id || len(c.Events) != 3 || c.Partial != (name == answer.String()) {
			t.Fatalf("%s: %+v", name, c)
		}
		want := []event.Ref{chat, command, answer}
		var last *Node
		for depth, n := range Walk(c.Tree()) {
			if n.Ref != want[depth] || n.Latency() < 0 {
				t.Errorf("%s: at depth %d is %v, %s after its cause, want %v", name, depth, n.Ref, n.Latency(), want[depth])
			}
			if line, err := n.Event.JSON(); err != nil || len(line) == 0 {
				t.Errorf("%s: %v as JSON is %q, %v", name, n.Ref, line, err)
			}
			var sum time.Duration
			for _, s := range n.Steps() {
				sum += s.Took
			}
			if sum != n.Latency() {
				t.Errorf("%s: the steps to %v take %s of %s", name, n.Ref, sum, n.Latency())
			}
			last = n
		}
		if steps := last.Steps(); last.Ref != answer || steps[0].Name != "plugin" {
			t.Errorf("%v is made by %+v", last.Ref, steps)
		}
	}
}
