package consumers

import (
	"context"
	"fmt"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Validate fails malformed events for good. It skips events that were stored again for
// another consumer, which had dead-lettered them, and what is no event but fills a
// stream's lost sequences.
func Validate(durable string) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			delivery := deliveryOf(ctx)
			if delivery.filler {
				return nil, nil
			}
			err := delivery.malformed
			if err == nil {
				err = d.Validate()
			}
			if err != nil {
				return nil, Permanent(fmt.Errorf("malformed event: %w", err))
			}
			if target := d.Meta(event.MetaRetryFor); target != "" && target != durable {
				return nil, nil
			}
			return next(ctx, d)
		}
	}
}
