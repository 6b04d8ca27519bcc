package consumers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestOldEventsExpireVisibly(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	command(t, bus, "old")
	settled, _ := start(t, bus, consumers.Config{MaxAge: time.Nanosecond}, func(context.Context, streams.Stored) ([]event.Envelope, error) {
		t.Error("an expired command was handled")
		return nil, nil
	})
	if o := next(t, settled); o.Result != consumers.Expired {
		t.Errorf("outcome %+v", o)
	}
	expired := only(streamstest.Stored(t, bus, streams.Plugin), event.EventSubject("t", event.TypeExpired))
	if len(expired) != 1 || expired[0].CorrelationID != "corr-old" {
		t.Fatalf("expired events: %+v", expired)
	}
	err := consumers.Run(t.Context(), bus, consumers.Config{Durable: "d", Stream: streams.Plugin, MaxAge: time.Hour}, nil)
	if err == nil || !strings.Contains(err.Error(), "max_age") {
		t.Errorf("a max_age beyond the duplicate window: %v", err)
	}
}

// A plugin's own event is no expiration, even if its type ends in "expired".
func TestOwnEventsAreNoExpirations(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{}, func(context.Context, streams.Stored) ([]event.Envelope, error) {
		e, err := event.New(event.EventSubject("t", "coupon", event.TypeExpired), map[string]any{"code": "X"})
		return []event.Envelope{e}, err
	})
	command(t, bus, "x")
	if o := next(t, settled); o.Result != consumers.Handled {
		t.Errorf("outcome %+v", o)
	}
}
