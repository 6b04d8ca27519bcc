package cytube

import (
	"context"
	"sync/atomic"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/sender"
)

// inspect calls fn with the channel's state where nothing else uses it: in the recorder,
// after the frames that came until now. The error is sender.ErrNoSession if the bot is not
// in the channel. fn does not run after inspect has returned.
func (c *Connector) inspect(ctx context.Context, fn func(*channel.State)) error {
	var taken atomic.Bool
	done := make(chan error, 1)
	err := c.push(ctx, item{inspect: func(r *recorder) {
		switch {
		case !taken.CompareAndSwap(false, true):
		case r == nil || !r.up:
			done <- sender.ErrNoSession
		default:
			fn(r.state)
			done <- nil
		}
	}})
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		if taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-done
	}
}
