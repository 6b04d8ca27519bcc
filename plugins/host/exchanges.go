package host

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// keepTimeout limits how long an event waits until its exchanges are kept.
const keepTimeout = time.Second

// keepExchanges keeps what the handler asks and is answered, from which a dry run answers
// the same. Of a repeated attempt it is unknown what an earlier one has changed. That they
// cannot be kept is logged and no failure.
func keepExchanges(bus *streams.Bus, plugin string, log *slog.Logger) consumers.Middleware {
	return func(next consumers.Handler) consumers.Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			// The clock stands still for a handler, so that a dry run can show it the same.
			now := consumers.Now(ctx)
			ctx = consumers.WithClock(ctx, func() time.Time { return now })
			p := &asking{Publisher: consumers.PublisherFrom(ctx)}
			out, err := next(consumers.WithPublisher(ctx, p), d)
			if kept := p.exchanges(d.Attempt); kept != nil {
				kept.Waited = now.Sub(d.At)
				ctx, cancel := context.WithTimeout(ctx, keepTimeout)
				defer cancel()
				if err := bus.KeepExchanges(ctx, plugin, d.Ref, *kept); err != nil {
					log.DebugContext(ctx, "exchanges not kept, dry runs read the database's history", "event", d.Ref.String(), "error", err)
				}
			}
			return out, err
		}
	}
}

// asking is a publisher that notes the exchanges.
type asking struct {
	consumers.Publisher
	mu   sync.Mutex
	kept *streams.Exchanges // nil if there were none
}

// Request implements consumers.Publisher.
func (a *asking) Request(ctx context.Context, subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error) {
	reply, err := a.Publisher.Request(ctx, subject, payload, opts...)
	request, encodeErr := event.Encode(payload)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil {
		a.kept = &streams.Exchanges{}
	}
	a.kept.Unknown = a.kept.Unknown || encodeErr != nil || len(reply) == 0
	a.kept.List = append(a.kept.List, streams.Exchange{Subject: subject, Request: plugins.WithoutHandled(request), Reply: plugins.WithoutHandled(reply)})
	return reply, err
}

func (a *asking) exchanges(attempt int) *streams.Exchanges {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept != nil && (a.kept.Unknown || attempt > 1) {
		return &streams.Exchanges{Unknown: true}
	}
	return a.kept
}
