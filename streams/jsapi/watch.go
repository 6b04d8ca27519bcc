package jsapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errWatchEnded is wrapped by errors of Watch after which the bucket is to be watched again.
// It is IsUnavailable's.
var errWatchEnded = errors.New("watcher ended")

// Watch calls apply with the last entry of every key of a bucket, delete markers included,
// then with nil, and then with each entry that is written. It returns the error of apply, or
// one that RetryUnavailable retries where entries may be missed: the connection was made
// anew, or the bucket was.
func Watch(ctx context.Context, js jetstream.JetStream, kv jetstream.KeyValue, apply func(jetstream.KeyValueEntry) error) error {
	failed := func(err error) error { return fmt.Errorf("watch bucket %s: %w", kv.Bucket(), err) }
	created := make(chan *nats.Msg, 1)
	sub, err := js.Conn().ChanSubscribe("$JS.EVENT.ADVISORY.STREAM.CREATED."+BucketStream(kv.Bucket()), created)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	reconnected := js.Conn().StatusChanged(nats.CONNECTED)
	defer js.Conn().RemoveStatusListener(reconnected)
	w, err := kv.WatchAll(ctx)
	if err != nil {
		return failed(err)
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-created:
			return failed(errWatchEnded)
		case <-reconnected:
			return failed(errWatchEnded)
		case entry, ok := <-w.Updates():
			if !ok {
				return failed(errWatchEnded)
			}
			if err := apply(entry); err != nil {
				return err
			}
		}
	}
}

// LastRevision returns the last revision that a bucket has stored, whichever its key, as its leader has it.
func LastRevision(ctx context.Context, js jetstream.JetStream, bucket string) (uint64, error) {
	s, err := js.Stream(ctx, BucketStream(bucket))
	if err != nil {
		return 0, fmt.Errorf("read the state of bucket %s: %w", bucket, err)
	}
	return s.CachedInfo().State.LastSeq, nil
}
