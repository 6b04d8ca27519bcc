package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// checkpointInterval is how far a checkpoint may lag behind its durable. What was
// settled in between is handled again when the durable is lost, and then recognised by
// its outputs (see docs/adr/0011-checkpoints.md).
const checkpointInterval = time.Second

// checkpoint is where a durable goes on if it has to be made again.
type checkpoint struct {
	Settled    uint64    `json:"settled"` // the sequence up to which all is settled
	PauseUntil time.Time `json:"pause_until,omitzero"`
	// Removed says that the durable was removed there: it goes on after that, or later where
	// its configuration begins later.
	Removed bool `json:"removed,omitzero"`
}

func checkpointKey(stream, durable string) string { return stream + "." + durable }

// OpenCheckpoints opens the bucket Checkpoints.
func OpenCheckpoints(ctx context.Context, js jetstream.JetStream, replicas int) (jetstream.KeyValue, error) {
	return jsapi.OpenBucket(ctx, js, checkpointsConfig(replicas))
}

// openCheckpoints opens the bucket with as many replicas as a stream has.
func openCheckpoints(ctx context.Context, js jetstream.JetStream, stream string) (jetstream.KeyValue, error) {
	return jsapi.OpenBucketLike(ctx, js, stream, checkpointsConfig(1))
}

func checkpointsConfig(replicas int) jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{Bucket: Checkpoints, Description: "How far each durable consumer has settled its stream", Replicas: replicas}
}

// createDurable creates a durable that goes on from its checkpoint, or without one where
// want says, and notes its first checkpoint.
func createDurable(ctx context.Context, js jetstream.JetStream, s jetstream.Stream, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	state, name := s.CachedInfo().State, s.CachedInfo().Config.Name
	kv, err := openCheckpoints(ctx, js, name)
	if err != nil {
		return nil, err
	}
	last, revision, err := jsapi.ReadJSON[checkpoint](ctx, kv, checkpointKey(name, want.Durable))
	switch {
	case err == nil && revision == 0:
		err = startBySequence(ctx, js, s, &want)
	case err == nil:
		if last.Settled > state.LastSeq { // of a stream that was made again
			last.Settled = 0
		}
		from := last.Settled + 1
		if last.Removed {
			err = startBySequence(ctx, js, s, &want)
			from = max(from, want.OptStartSeq)
		}
		want.DeliverPolicy, want.OptStartSeq, want.OptStartTime = jetstream.DeliverByStartSequencePolicy, from, nil
		if !last.PauseUntil.IsZero() {
			want.PauseUntil = &last.PauseUntil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find where consumer %s begins: %w", want.Durable, err)
	}
	c, err := js.CreateConsumer(ctx, name, want)
	if err != nil {
		return nil, err
	}
	return c, saveCheckpoint(ctx, kv, c.CachedInfo())
}

// Settled returns the checkpoint of a durable: the sequence up to which all is settled, or
// 0 if there is no checkpoint.
func Settled(ctx context.Context, js jetstream.JetStream, stream, durable string) (uint64, error) {
	kv, err := js.KeyValue(ctx, Checkpoints)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("open bucket %s: %w", Checkpoints, err)
	}
	c, _, err := jsapi.ReadJSON[checkpoint](ctx, kv, checkpointKey(stream, durable))
	if err != nil {
		return 0, fmt.Errorf("read the checkpoint of consumer %s: %w", durable, err)
	}
	return c.Settled, nil
}

func checkpointOf(c *jetstream.ConsumerInfo) checkpoint {
	now := checkpoint{Settled: c.AckFloor.Stream}
	if c.Config.PauseUntil != nil {
		now.PauseUntil = *c.Config.PauseUntil
	}
	return now
}

func saveCheckpoint(ctx context.Context, kv jetstream.KeyValue, c *jetstream.ConsumerInfo) error {
	if err := putCheckpoint(ctx, kv, checkpointKey(c.Stream, c.Name), checkpointOf(c)); err != nil {
		return fmt.Errorf("save the checkpoint of consumer %s: %w", c.Name, err)
	}
	return nil
}

func putCheckpoint(ctx context.Context, kv jetstream.KeyValue, key string, c checkpoint) error {
	value, err := json.Marshal(c)
	if err == nil {
		_, err = kv.Put(ctx, key, value)
	}
	return err
}

// KeepCheckpoints saves the checkpoints of all durables on streams that plugins may
// read, until ctx ends. Several processes may do so.
func KeepCheckpoints(ctx context.Context, js jetstream.JetStream, log *slog.Logger) error {
	k := checkpointKeeper{js: js, saved: map[string]checkpoint{}}
	policy := jsapi.RetryUnavailable(0, log)
	policy.If, policy.Operation = nil, "save checkpoints"
	for retry.Sleep(ctx, checkpointInterval) == nil {
		_ = retry.Do(ctx, policy, k.save) // ends with ctx
	}
	return nil
}

type checkpointKeeper struct {
	js    jetstream.JetStream
	saved map[string]checkpoint // by key
}

func (k checkpointKeeper) save(ctx context.Context) error {
	kv, err := openCheckpoints(ctx, k.js, Cytube)
	if err != nil {
		return err
	}
	if status, err := kv.Status(ctx); err == nil && status.Values() == 0 {
		clear(k.saved) // the bucket was deleted
	}
	for _, name := range ReadableStreams() {
		s, err := k.js.Stream(ctx, name)
		if err != nil {
			return err
		}
		list := s.ListConsumers(ctx)
		for c := range list.Info() {
			key, now := checkpointKey(name, c.Name), checkpointOf(c)
			if c.Config.Durable == "" || k.saved[key] == now {
				continue
			}
			if err := saveCheckpoint(ctx, kv, c); err != nil {
				return err
			}
			k.saved[key] = now
		}
		if err := list.Err(); err != nil {
			return fmt.Errorf("list the consumers of %s: %w", name, err)
		}
	}
	return nil
}

// DeleteDurable deletes a durable consumer for good, with its checkpoint.
func DeleteDurable(ctx context.Context, js jetstream.JetStream, stream, durable string) error {
	err := js.DeleteConsumer(ctx, stream, durable)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("delete consumer %s: %w", durable, err)
	}
	kv, err := js.KeyValue(ctx, Checkpoints)
	if err == nil {
		err = kv.Delete(ctx, checkpointKey(stream, durable))
	}
	if err != nil && !errors.Is(err, jetstream.ErrBucketNotFound) {
		return fmt.Errorf("delete the checkpoint of consumer %s: %w", durable, err)
	}
	return nil
}

// RemoveDurable deletes a durable consumer. If it is created again later, it begins after
// the event that is now the stream's last. A PastDurable goes on where it stood.
func RemoveDurable(ctx context.Context, js jetstream.JetStream, stream, durable string) error {
	kv, err := openCheckpoints(ctx, js, stream)
	if err != nil {
		return err
	}
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", stream, err)
	}
	c, err := s.Consumer(ctx, durable)
	if err == nil {
		at := checkpoint{Settled: c.CachedInfo().AckFloor.Stream}
		if !IsPast(durable) {
			at = checkpoint{Settled: s.CachedInfo().State.LastSeq, Removed: true}
		}
		if err = s.DeleteConsumer(ctx, durable); err == nil {
			err = putCheckpoint(ctx, kv, checkpointKey(stream, durable), at)
		}
	}
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("remove consumer %s: %w", durable, err)
	}
	return nil
}

// IsDropped reports whether a bucket of a collection is gone on purpose, as its mark in the bucket
// Checkpoints says, and not by an accident.
func IsDropped(ctx context.Context, js jetstream.JetStream, bucket string) (bool, error) {
	kv, err := js.KeyValue(ctx, Checkpoints)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return false, nil
	}
	type mark struct {
		Dropped bool `json:"dropped"`
	}
	var m mark
	if err == nil {
		m, _, err = jsapi.ReadJSON[mark](ctx, kv, bucket)
	}
	if err != nil {
		return false, fmt.Errorf("read the mark of bucket %s: %w", bucket, err)
	}
	return m.Dropped, nil
}
