package jsapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// OpenBucket opens a KV bucket that plugins may write to, creates it if need be, raises
// its replicas and history to those of c, and lifts limits that c does not have. It denies
// rollups, by which a writer could purge the bucket with a header and which JetStream
// allows in buckets.
func OpenBucket(ctx context.Context, js jetstream.JetStream, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	return open(ctx, js, c, BucketConfig(c))
}

// OpenErasableBucket is OpenBucket for a bucket that holds what persons may want erased:
// where it creates it, what is erased of it (see Erase) is overwritten on the disk.
func OpenErasableBucket(ctx context.Context, js jetstream.JetStream, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	config := BucketConfig(c)
	config.DenyDelete = false
	return open(ctx, js, c, config)
}

// Erase erases a message of a bucket's stream. A bucket that denies it gets its key purged,
// with all revisions: there it stays on the disk until the server compacts the file.
func Erase(ctx context.Context, s jetstream.Stream, m *jetstream.RawStreamMsg) error {
	if s.CachedInfo().Config.DenyDelete {
		return s.Purge(ctx, jetstream.WithPurgeSubject(m.Subject))
	}
	return s.SecureDeleteMsg(ctx, m.Sequence)
}

func open(ctx context.Context, js jetstream.JetStream, c jetstream.KeyValueConfig, want jetstream.StreamConfig) (jetstream.KeyValue, error) {
	ctx, cancel := WithDefaultTimeout(ctx)
	defer cancel()
	kv, err := RetryWhile(ctx, isUnsettled, func() (jetstream.KeyValue, error) {
		ctx, cancel := context.WithTimeout(ctx, openTimeout)
		defer cancel()
		return openBucket(ctx, js, c, want)
	})
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", c.Bucket, Explain(js.Conn(), err))
	}
	return kv, nil
}

// openTimeout is how long an attempt to open a bucket may take: a cluster leaves a request
// unanswered that comes while it chooses the leader of a stream that was just created.
const openTimeout = 5 * time.Second

// isUnsettled reports whether an error may come from a server of a cluster that does not
// know yet of a bucket that was just created, or has no leader for it yet.
func isUnsettled(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, context.DeadlineExceeded)
}

// BucketStream returns the name of a KV bucket's stream.
func BucketStream(bucket string) string { return "KV_" + bucket }

// KVSubject returns the subject to publish on for a bucket's subject. With an API prefix or
// a domain it begins with that: a leafnode passes no $KV.> on.
func KVSubject(js jetstream.JetStream, subject string) string {
	if prefix := js.Options().APIPrefix; prefix != "" && prefix != jetstream.DefaultAPIPrefix {
		return strings.TrimSuffix(prefix, ".") + "." + subject
	}
	return subject
}

func openBucket(ctx context.Context, js jetstream.JetStream, c jetstream.KeyValueConfig, want jetstream.StreamConfig) (jetstream.KeyValue, error) {
	s, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		// Another process may create it at the same time.
		if s, err = js.CreateStream(ctx, want); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			s, err = js.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return nil, err
	}
	have := s.CachedInfo().Config
	config := have
	config.AllowRollup, config.Replicas = false, max(have.Replicas, want.Replicas)
	config.MaxMsgsPerSubject = max(have.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	config.MaxAge, config.MaxBytes, config.MaxMsgs, config.MaxMsgSize = want.MaxAge, want.MaxBytes, want.MaxMsgs, want.MaxMsgSize
	if !reflect.DeepEqual(have, config) {
		if _, err := js.UpdateStream(ctx, config); err != nil {
			return nil, err
		}
	}
	return js.KeyValue(ctx, c.Bucket)
}

// bucketDuplicates is the duplicate window of a bucket whose values live longer.
const bucketDuplicates = 2 * time.Minute

// BucketConfig returns the settings of a KV bucket's stream as nats.go makes them, but that
// they allow no rollups. What is created with them is complete at once: a bucket that is
// created and then changed looks in between as if somebody had changed it.
func BucketConfig(c jetstream.KeyValueConfig) jetstream.StreamConfig {
	duplicates := bucketDuplicates
	if c.TTL > 0 {
		duplicates = min(duplicates, c.TTL)
	}
	return jetstream.StreamConfig{
		Name:              BucketStream(c.Bucket),
		Description:       c.Description,
		Subjects:          []string{"$KV." + c.Bucket + ".>"},
		MaxMsgsPerSubject: max(int64(c.History), 1),
		MaxAge:            c.TTL,
		MaxBytes:          cmp.Or(c.MaxBytes, -1),
		MaxMsgs:           -1,
		MaxMsgSize:        cmp.Or(c.MaxValueSize, -1),
		MaxConsumers:      -1,
		Storage:           jetstream.FileStorage,
		Replicas:          max(c.Replicas, 1),
		Duplicates:        duplicates,
		Discard:           jetstream.DiscardNew,
		DenyDelete:        true,
		AllowDirect:       true,
	}
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
