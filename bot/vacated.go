package bot

import (
	"context"
	"log/slog"
	"sync"

	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/lease"
)

// vacatedChannels refuses pending sends to channels that the settings no longer have.
type vacatedChannels struct {
	bus    *streams.Bus
	names  []string      // the channels that the settings have
	leases *lease.Leases // nil where no other process can be in a channel
	log    *slog.Logger
}

// run settles the channels that it finds, and ends with ctx. Its failures are logged, as
// the bot can do without.
func (v vacatedChannels) run(ctx context.Context) error {
	vacated, err := retry.Value(ctx, jsapi.RetryUnavailable(0, v.log), func(ctx context.Context) ([]string, error) {
		return sender.VacatedChannels(ctx, v.bus.JetStream(), v.names)
	})
	if err != nil && ctx.Err() == nil {
		v.log.WarnContext(ctx, "vacated channels not found", "error", err)
	}
	var draining sync.WaitGroup
	for _, name := range vacated {
		draining.Go(func() {
			err := retry.Do(ctx, jsapi.RetryUnavailable(0, v.log), func(ctx context.Context) error { return v.drain(ctx, name) })
			if err != nil && ctx.Err() == nil {
				v.log.WarnContext(ctx, "sends of a vacated channel not refused", "channel", name, "reason", "channel removed from settings", "error", err)
			}
		})
	}
	draining.Wait()
	<-ctx.Done()
	return nil
}

// drain refuses the pending sends to a channel once no bot is in it: with leases, none has
// been for as long as a send may wait.
func (v vacatedChannels) drain(ctx context.Context, name string) error {
	drain := func(ctx context.Context) error { return sender.Vacate(ctx, v.bus, name, v.log) }
	if v.leases == nil {
		return drain(ctx)
	}
	return v.leases.New(leaseKey(name)).After(sender.DefaultMaxAge).Hold(ctx, drain)
}
