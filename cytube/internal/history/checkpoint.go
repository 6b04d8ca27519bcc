package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Bucket is the KV bucket of the checkpoints, one key a channel.
const Bucket = streams.Channels

// Checkpoint is how far a channel is recorded. That there is one says that the bot was
// in the channel, also when retention has removed the events that say so. It holds
// nothing that anybody wrote, and no name but that of the bot.
type Checkpoint struct {
	Seq  uint64 `json:"seq"`  // the end of the stream CYTUBE when it was saved
	Line uint64 `json:"line"` // sequence of the latest chat line, 0 if there was none
	Time int64  `json:"time"` // of that line, by the channel's server, in ms
	N    int    `json:"n"`    // how many lines had that line's key

	Bot string `json:"bot,omitempty"` // the bot's name in the channel
}

// Channels returns the names of the channels that have a checkpoint, sorted.
func Channels(ctx context.Context, js jetstream.JetStream) (names []string, err error) {
	kv, err := js.KeyValue(ctx, Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", Bucket, err)
	}
	keys, err := kv.ListKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	for name := range keys.Keys() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Checkpoint returns the channel's checkpoint; ok is false if there is none.
func (r *Reader) Checkpoint(ctx context.Context) (c Checkpoint, ok bool, err error) {
	return r.CheckpointOf(ctx, r.channel)
}

// CheckpointOf returns the checkpoint of another channel.
func (r *Reader) CheckpointOf(ctx context.Context, channel string) (c Checkpoint, ok bool, err error) {
	kv, err := r.checkpoints(ctx)
	if err != nil {
		return c, false, err
	}
	e, err := kv.Get(ctx, channel)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return c, false, nil
	}
	if err == nil {
		err = json.Unmarshal(e.Value(), &c)
	}
	if err != nil {
		return c, false, fmt.Errorf("read checkpoint of channel %s: %w", channel, err)
	}
	return c, true, nil
}

// SaveCheckpoint saves the channel's checkpoint at the stream's present end. All lines of
// the channel must be recorded or be later than c.Line.
func (r *Reader) SaveCheckpoint(ctx context.Context, c Checkpoint) error {
	stream, err := r.js.Stream(ctx, streams.Cytube)
	if err != nil {
		return fmt.Errorf("save checkpoint of channel %s: %w", r.channel, err)
	}
	c.Seq = stream.CachedInfo().State.LastSeq
	value, err := json.Marshal(c)
	if err != nil {
		return err
	}
	kv, err := r.checkpoints(ctx)
	if err != nil {
		return err
	}
	if _, err := kv.Put(ctx, r.channel, value); err != nil {
		return fmt.Errorf("save checkpoint of channel %s: %w", r.channel, err)
	}
	return nil
}

// checkpoints returns the bucket, which is opened once.
func (r *Reader) checkpoints(ctx context.Context) (jetstream.KeyValue, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bucket == nil {
		kv, err := jsapi.OpenBucketLike(ctx, r.js, streams.Cytube, jetstream.KeyValueConfig{
			Bucket: Bucket, Description: "How far each channel is recorded",
		})
		if err != nil {
			return nil, err
		}
		r.bucket = kv
	}
	return r.bucket, nil
}
