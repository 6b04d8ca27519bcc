package cytube

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
)

// drainTimeout bounds the recording of what is queued when the bot stops.
const drainTimeout = 5 * time.Second

// missingInterval is how often a bot that stops looks whether what it waits for exists.
const missingInterval = time.Second

// checkpointInterval bounds how much of what others recorded is read after a crash.
const checkpointInterval = time.Minute

// tickInterval is how often the recorder looks for what it has held back.
const tickInterval = time.Second

// record records items until the last or until ctx ends.
func (c *Connector) record(ctx context.Context) {
	var r *recorder
	save, tick := time.NewTicker(checkpointInterval), time.NewTicker(tickInterval)
	defer save.Stop()
	defer tick.Stop()
	for ctx.Err() == nil { // select would go on with the queue, too
		select {
		case <-save.C:
			if r != nil && r.up {
				r.saveCheckpoint(ctx)
				r.saveSnapshot(ctx)
			}
		case at := <-tick.C:
			if r != nil && len(c.queue) == 0 { // else the frames that wait are older
				r.tick(ctx, at)
			}
		case it := <-c.queue:
			switch {
			case it.last:
				return
			case it.flushed != nil:
				close(it.flushed)
			case it.inspect != nil:
				it.inspect(r)
			case it.recorder != nil:
				if r != nil && r.up { // no room was left in the queue for the session's end
					r.leave(ctx, reasonLost, it.at)
				}
				r = it.recorder
			default:
				r.take(ctx, *it)
			}
		case <-ctx.Done():
			return
		}
	}
}

// flush waits until what is queued is recorded, up to drainTimeout and while there is a
// stream to record it in, and reports whether it is.
func (c *Connector) flush(recording context.Context) bool {
	ctx, cancel := context.WithTimeout(recording, drainTimeout)
	defer cancel()
	flushed := make(chan struct{})
	if c.push(ctx, item{flushed: flushed}) != nil {
		return false
	}
	check := time.NewTicker(missingInterval)
	defer check.Stop()
	for {
		select {
		case <-flushed:
			return true
		case <-ctx.Done():
			return false
		case <-check.C:
			if _, err := c.bus.JetStream().Stream(ctx, streams.Cytube); errors.Is(err, jetstream.ErrStreamNotFound) {
				c.log.ErrorContext(ctx, "stream missing, not waiting for it", "channel", c.cfg.Channel, "stream", streams.Cytube)
				return false
			}
		}
	}
}

// discard empties the queue when the bot has stopped, and says what is lost.
func (c *Connector) discard(ctx context.Context) {
	var frames int64
	var since time.Time
	for len(c.queue) > 0 {
		if it := <-c.queue; it.frame.Name != "" {
			if frames++; frames == 1 {
				since = it.at
			}
		}
	}
	if frames > 0 {
		c.stats.count(func(s *Stats) { s.Unrecorded += frames })
		c.log.ErrorContext(ctx, "frames not recorded before the bot stopped", "channel", c.cfg.Channel, "frames", frames, "since", since)
	}
}
