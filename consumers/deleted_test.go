package consumers_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A consumer that is deleted while its last event is being handled, so between
// two pulls, is missed all the same.
func TestDeletedConsumerEndsRun(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	ended := make(chan error, 1)
	c := consumers.Config{Durable: "plugin-t", Stream: streams.Plugin, Name: "t", Subjects: []string{event.CommandSubject("t")}}
	go func() {
		ended <- consumers.Run(ctx, bus, c, func(ctx context.Context, _ streams.Stored) ([]event.Envelope, error) {
			return nil, bus.JetStream().DeleteConsumer(ctx, streams.Plugin, "plugin-t")
		})
	}()
	command(t, bus, "x")
	if err := <-ended; !errors.Is(err, jetstream.ErrNoHeartbeat) || !strings.Contains(err.Error(), "plugin-t was deleted") {
		t.Errorf("Run returned %v", err)
	}
}
