package host

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/consumers/router"
)

// registrationInterval is how often a plugin looks whether it is still registered.
const registrationInterval = 2 * time.Second

// keepRegistered registers the plugin again when its registration is gone, until ctx
// ends. A bot that starts on a store without the bucket holds the plugin's commands
// until then, for a minute at most.
func (r *run) keepRegistered(ctx context.Context) {
	connected := r.bus.Conn().StatusChanged(nats.CONNECTED)
	defer r.bus.Conn().RemoveStatusListener(connected)
	tick := time.NewTicker(registrationInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case _, open := <-connected:
			if !open { // the connection is closed for good
				return
			}
		}
		switch missing, err := router.RegisterMissing(ctx, r.Bucket, r.registration); {
		case err != nil: // NATS is away, or the bucket until the bot has made it again
			r.log.DebugContext(ctx, "registration not checked", "error", err)
		case missing:
			r.log.InfoContext(ctx, "registration was gone, registered again")
		}
	}
}
