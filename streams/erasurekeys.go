package streams

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/jsapi"
)

// An ErasureKey keys the fingerprints of a channel's erased lines. Without the key the
// fingerprints reveal nothing of the lines.
type ErasureKey struct {
	Key []byte

	js       jetstream.JetStream
	revision uint64
}

// NewErasureKey stores a new key for a channel.
func NewErasureKey(ctx context.Context, js jetstream.JetStream, channel string) (ErasureKey, error) {
	s, err := js.Stream(ctx, Cytube)
	var kv jetstream.KeyValue
	if err == nil {
		kv, err = jsapi.OpenErasableBucket(ctx, js, jetstream.KeyValueConfig{
			Bucket: erasureBucket, Description: "Keys of the fingerprints of erased chat lines, until the channel cannot repeat these",
			Replicas: s.CachedInfo().Config.Replicas,
		})
	}
	if err != nil {
		return ErasureKey{}, fmt.Errorf("store the key of an erasure: %w", err)
	}
	k := ErasureKey{Key: make([]byte, 32), js: js}
	_, _ = rand.Read(k.Key) // never fails
	if k.revision, err = kv.Put(ctx, channel+"."+rand.Text(), k.Key); err != nil {
		return k, fmt.Errorf("store the key of an erasure: %w", err)
	}
	return k, nil
}

// ErasureKeys returns the keys of a channel.
func ErasureKeys(ctx context.Context, js jetstream.JetStream, channel string) (keys []ErasureKey, err error) {
	kv, err := js.KeyValue(ctx, erasureBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", erasureBucket, err)
	}
	names, err := kv.Keys(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, fmt.Errorf("list the keys of erasures: %w", err)
	}
	for _, name := range names {
		if of, _, _ := strings.Cut(name, "."); !strings.EqualFold(of, channel) {
			continue
		}
		e, err := kv.Get(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("read the key of an erasure: %w", err)
		}
		keys = append(keys, ErasureKey{e.Value(), js, e.Revision()})
	}
	return keys, nil
}

// Drop overwrites the key.
func (k ErasureKey) Drop(ctx context.Context) error {
	s, err := k.js.Stream(ctx, jsapi.BucketStream(erasureBucket))
	if err == nil {
		err = s.SecureDeleteMsg(ctx, k.revision)
	}
	if err != nil {
		return fmt.Errorf("drop the key of an erasure: %w", err)
	}
	return nil
}
