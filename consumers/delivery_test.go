package consumers

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

func TestSettle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err          error
		call, result string
	}{
		"success":    {nil, "ack", Handled},
		"redelivery": {&retryError{errors.New("no luck"), time.Second}, "nak 1s", Retried},
		"failure":    {errors.New("no luck\nat all"), "term no luck", Dead},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, delivery, msg, d := newDelivery(t, 1)
			_, _ = Chain(returning(c.err), Settle(slog.New(slog.DiscardHandler)))(ctx, d)
			if !slices.Equal(msg.calls, []string{c.call}) || delivery.Result != c.result || !errors.Is(delivery.Err, c.err) {
				t.Errorf("settled by %q with outcome %+v", msg.calls, delivery.Outcome)
			}
		})
	}
}

// The outcome is complete when it is observed, and is observed after the settlement.
func TestObserve(t *testing.T) {
	t.Parallel()
	ctx, _, msg, d := newDelivery(t, 2)
	var outcomes []Outcome
	observe := func(o Outcome) {
		if len(msg.calls) != 1 {
			t.Error("observed before it was settled")
		}
		outcomes = append(outcomes, o)
	}
	_, _ = Chain(returning(nil), Observe(observe), Settle(slog.New(slog.DiscardHandler)), Retry(testConfig(t)))(ctx, d)
	if len(outcomes) != 1 || outcomes[0].Result != Handled || outcomes[0].Attempt != 2 || outcomes[0].Took <= 0 {
		t.Errorf("outcomes %+v", outcomes)
	}
}

func TestTraceMarksFailures(t *testing.T) {
	t.Parallel()
	ctx, _, _, d := newDelivery(t, 1)
	called := false
	h := Chain(func(context.Context, streams.Stored) ([]event.Envelope, error) {
		called = true
		return nil, errors.New("no luck")
	}, Trace(streams.NewBus(nil, nil).Tracer(), "plugin-t"))
	if _, err := h(ctx, d); err == nil || !called {
		t.Errorf("called %v, error %v", called, err)
	}
}
