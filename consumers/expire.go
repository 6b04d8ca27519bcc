package consumers

import (
	"context"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Expire records an event older than maxAge as plugin.{name}.event.expired and does
// not handle it. A maxAge of 0 means none.
func Expire(consumer, name string, maxAge time.Duration) Middleware {
	return func(next Handler) Handler {
		if maxAge <= 0 {
			return next
		}
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			if age := Now(ctx).Sub(d.At); age > maxAge {
				return RecordExpired(ctx, consumer, name, d, age, maxAge)
			}
			return next(ctx, d)
		}
	}
}

// RecordExpired returns what a handler returns for an event that is too old: the
// event plugin.{name}.event.expired. The delivery's result is then Expired.
func RecordExpired(ctx context.Context, consumer, name string, d streams.Stored, age, maxAge time.Duration) ([]event.Envelope, error) {
	e, err := event.New(event.EventSubject(name, event.TypeExpired), event.Expired{
		EventType: event.TypeExpired,
		Consumer:  consumer,
		Stream:    d.Ref.Stream,
		Seq:       int64(d.Ref.Seq),
		Subject:   d.Subject,
		Age:       age.Round(time.Millisecond).Seconds(),
		MaxAge:    maxAge.Seconds(),
	})
	if err != nil {
		return nil, Permanent(err)
	}
	deliveryOf(ctx).Result = Expired
	return []event.Envelope{e}, nil
}
