package consumers

import (
	"context"
	"errors"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*delivery, *streams.Stored)
		called bool
		failed bool
	}{
		"valid":                {func(*delivery, *streams.Stored) {}, true, false},
		"malformed":            {func(d *delivery, _ *streams.Stored) { d.malformed = errors.New("no JSON") }, false, true},
		"invalid payload":      {func(_ *delivery, s *streams.Stored) { s.Data = []byte(`{"command":"x"}`) }, false, true},
		"for another consumer": {func(_ *delivery, s *streams.Stored) { s.Envelope = s.WithMeta(event.MetaRetryFor, "plugin-u") }, false, false},
		"for this consumer":    {func(_ *delivery, s *streams.Stored) { s.Envelope = s.WithMeta(event.MetaRetryFor, "plugin-t") }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, delivery, _, d := newDelivery(t, 1)
			c.change(delivery, &d)
			called := false
			_, err := Chain(func(context.Context, streams.Stored) ([]event.Envelope, error) {
				called = true
				return nil, nil
			}, Validate("plugin-t"))(ctx, d)
			if called != c.called || isPermanent(err) != c.failed {
				t.Errorf("called %v, error %v", called, err)
			}
		})
	}
}
