package consumers

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// The deadline is extended while the handler runs, and not afterwards.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, _, msg, d := newDelivery(t, 1)
		handler := func(context.Context, streams.Stored) ([]event.Envelope, error) {
			time.Sleep(3500 * time.Millisecond)
			return nil, nil
		}
		if _, err := Chain(handler, Heartbeat(time.Second, slog.New(slog.DiscardHandler)))(ctx, d); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if len(msg.calls) != 3 {
			t.Errorf("settled by %q, want in progress after each of 3 seconds", msg.calls)
		}
	})
}
