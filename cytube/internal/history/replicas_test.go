package history

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// An echo and a send that were acknowledged are found, whichever replica answers.
func TestLaggingReplicas(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs a cluster")
	ctx := streamstest.Context(t)
	conns, servers := streamstest.Cluster(t)
	js, err := jetstream.New(conns[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Open(ctx, js, streams.Options{Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	w := world{t: t, ctx: ctx, bus: streams.NewBus(conns[0], js), Reader: New(js, "testchan")}
	w.publish(event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: "testchan"}, nil)
	defer streamstest.Lag(t, servers, stream)()
	send := w.publish(event.SubjectSendChat, event.SendChat{Message: "hello", Channel: "testchan"}, nil)
	w.publish(event.SubjectChat, event.Chat{User: "bot", Message: "hello", Channel: "testchan", Time: 1}, map[string]any{event.MetaCausation: send.String()})
	for range 20 { // any replica may answer
		if o, err := w.Outcomes(ctx, send.Seq, "bot"); err != nil || !o.Heard[send][1] {
			t.Fatalf("outcomes: %+v, %v", o, err)
		}
		if _, err := w.Event(ctx, send); err != nil {
			t.Fatal(err)
		}
	}
}
