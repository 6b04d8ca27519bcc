package kvstore

import (
	"context"
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// BucketPrefix and a collection's name make the name of its KV bucket.
const BucketPrefix = streams.CollectionPrefix

func streamName(collection string) string { return jsapi.BucketStream(BucketPrefix + collection) }

// stream opens a collection's stream, makes it where it must exist, and brings its
// settings up to date.
func (s *Store) stream(ctx context.Context, collection string, create bool) (jetstream.Stream, error) {
	stream, err := readAgain(ctx, func(ctx context.Context) (jetstream.Stream, error) { return s.js.Stream(ctx, streamName(collection)) })
	if errors.Is(err, jetstream.ErrStreamNotFound) && create {
		stream, err = readAgain(ctx, func(ctx context.Context) (jetstream.Stream, error) {
			return s.js.CreateStream(ctx, s.config(collection))
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			// Another instance was faster, by so little that it may not show yet.
			stream, err = retry.Value(ctx, retry.Policy{Initial: settling, If: isNotFound}, func(ctx context.Context) (jetstream.Stream, error) {
				return s.js.Stream(ctx, streamName(collection))
			})
		}
		if err == nil {
			err = s.note(ctx, collection)
		}
	}
	if err != nil {
		return nil, err
	}
	config := stream.CachedInfo().Config
	changed := config
	changed.Duplicates = max(config.Duplicates, duplicateWindow)
	changed.Replicas = max(config.Replicas, s.replicas)
	changed.AllowDirect = changed.Replicas <= 1
	if changed.Duplicates != config.Duplicates || changed.Replicas != config.Replicas || changed.AllowDirect != config.AllowDirect {
		stream, err = readAgain(ctx, func(ctx context.Context) (jetstream.Stream, error) { return s.js.UpdateStream(ctx, changed) })
	}
	if err == nil && changed.Replicas > 1 {
		err = waitForLeader(ctx, stream)
	}
	return stream, err
}

func isNotFound(err error) bool { return errors.Is(err, jetstream.ErrStreamNotFound) }

var errNoLeader = errors.New("the stream has no leader with a current replica")

// waitForLeader waits until a replicated stream has a leader and servers that follow
// it: a write to one that has not yet may be lost without an answer.
func waitForLeader(ctx context.Context, stream jetstream.Stream) error {
	policy := retry.Policy{Initial: settling, Max: 10 * settling, If: func(err error) bool {
		return errors.Is(err, errNoLeader) || isNotFound(err) // it may not have spread yet
	}}
	return retry.Do(ctx, policy, func(ctx context.Context) error {
		info, err := readAgain(ctx, func(ctx context.Context) (*jetstream.StreamInfo, error) { return stream.Info(ctx) })
		if err != nil {
			return err
		}
		if c := info.Cluster; c == nil || c.Leader == "" || !slices.ContainsFunc(c.Replicas, func(p *jetstream.PeerInfo) bool { return p.Current && !p.Offline }) {
			return errNoLeader
		}
		return nil
	})
}

// config returns a KV bucket's settings but for the duplicate window, for rollups, for
// deletes of single messages, which overwrite what is to be forgotten, and for direct
// reads: they are answered by any replica, the one included that has not heard of the
// last write.
func (s *Store) config(collection string) jetstream.StreamConfig {
	c := jsapi.BucketConfig(jetstream.KeyValueConfig{
		Bucket: BucketPrefix + collection, Description: "Rosey database collection " + collection, History: uint8(s.history), Replicas: s.replicas,
	})
	c.Duplicates, c.AllowRollup, c.DenyDelete, c.AllowDirect = duplicateWindow, true, false, s.replicas <= 1
	return c
}
