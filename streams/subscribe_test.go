package streams_test

import (
	"context"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A subscription that is stopped leaves no consumer on the server, which has a limit of them.
func TestStoppedSubscriptionLeavesNoConsumer(t *testing.T) {
	t.Parallel()
	bus, ctx := streamstest.Bus(t, streamstest.Server(t)), streamstest.Context(t)
	sub, err := bus.Subscribe(ctx, event.SubjectDelivery, func(context.Context, streams.Stored) {})
	if err != nil {
		t.Fatal(err)
	}
	sub.Stop()
	stream, err := bus.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Consumers; n != 0 {
		t.Errorf("%d consumers are left", n)
	}
}
