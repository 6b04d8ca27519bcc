package jsapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// OpenBucket opens a KV bucket that plugins may write to, creates it if need be, raises
// its replicas and history to those of c, and lifts limits that c does not have. It denies
// rollups, by which a writer could purge the bucket with a header and which JetStream
// allows in buckets.
func OpenBucket(ctx context.Context, js jetstream.JetStream, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	ctx, cancel := WithDefaultTimeout(ctx)
	defer cancel()
	kv, err := RetryWhile(ctx, isNotFoundYet, func() (jetstream.KeyValue, error) { return openBucket(ctx, js, c) })
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", c.Bucket, Explain(js.Conn(), err))
	}
	return kv, nil
}

// isNotFoundYet reports whether an error may come from a server of a cluster that does
// not know yet of a bucket that was just created.
func isNotFoundYet(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrBucketNotFound)
}

// BucketStream is the name of a KV bucket's stream.
func BucketStream(bucket string) string { return "KV_" + bucket }

// KVSubject returns the subject to publish on for a bucket's subject. With an API prefix or
// a domain it begins with that: a leafnode passes no $KV.> on.
func KVSubject(js jetstream.JetStream, subject string) string {
	if prefix := js.Options().APIPrefix; prefix != "" && prefix != jetstream.DefaultAPIPrefix {
		return strings.TrimSuffix(prefix, ".") + "." + subject
	}
	return subject
}

func openBucket(ctx context.Context, js jetstream.JetStream, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	kv, err := js.KeyValue(ctx, c.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		// Another process may create it at the same time.
		if kv, err = js.CreateKeyValue(ctx, c); errors.Is(err, jetstream.ErrBucketExists) {
			kv, err = js.KeyValue(ctx, c.Bucket)
		}
	}
	if err != nil {
		return nil, err
	}
	s, err := js.Stream(ctx, BucketStream(c.Bucket))
	if err != nil {
		return nil, err
	}
	have := s.CachedInfo().Config
	config := have
	config.AllowRollup, config.Replicas = false, max(config.Replicas, c.Replicas)
	config.MaxMsgsPerSubject = max(config.MaxMsgsPerSubject, int64(c.History), 1)
	config.MaxAge, config.MaxBytes, config.MaxMsgs, config.MaxMsgSize = c.TTL, cmp.Or(c.MaxBytes, -1), -1, cmp.Or(c.MaxValueSize, -1)
	if !reflect.DeepEqual(have, config) {
		if _, err := js.UpdateStream(ctx, config); err != nil {
			return nil, err
		}
	}
	return kv, nil
}

// OpenBucketLike is OpenBucket with as many replicas as a stream has, or one if there
// is no such stream.
func OpenBucketLike(ctx context.Context, js jetstream.JetStream, stream string, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	c.Replicas = 1
	if s, err := js.Stream(ctx, stream); err == nil {
		c.Replicas = s.CachedInfo().Config.Replicas
	}
	return OpenBucket(ctx, js, c)
}
