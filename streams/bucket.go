package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// OpenBucket opens a KV bucket that plugins may write to, and creates it if need
// be. Nobody can clear it by a header of what they write, as they could in a
// bucket as JetStream makes it.
func OpenBucket(ctx context.Context, js jetstream.JetStream, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	kv, err := js.KeyValue(ctx, c.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, c)
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", c.Bucket, err)
	}
	s, err := js.Stream(ctx, kvStream(c.Bucket))
	if err == nil && s.CachedInfo().Config.AllowRollup {
		config := s.CachedInfo().Config
		config.AllowRollup = false
		_, err = js.UpdateStream(ctx, config)
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", c.Bucket, err)
	}
	return kv, nil
}
