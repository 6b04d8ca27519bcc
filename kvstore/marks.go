package kvstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// A mark tells of a collection where deleting its bucket does not delete it: in the bucket
// streams.Checkpoints, under the name of the collection's bucket.
type mark struct {
	Number  int64 `json:"number"`            // none higher has been given
	Dropped bool  `json:"dropped,omitempty"` // on purpose, see streams.IsDropped
}

// markStep is by how much a mark is ahead of the numbers, so that few of them cost a write
// of it. A collection whose bucket was deleted before its process died leaves out so many
// numbers at most.
const markStep = 100

func markKey(collection string) string { return BucketPrefix + collection }

// reserve makes sure that the collection's mark is not below a number.
func (c *counter) reserve(ctx context.Context, b *bucket, number int64) error {
	if number <= c.reserved || number > maxCounted {
		return nil
	}
	want := number + markStep
	err := b.store.changeMark(ctx, b.collection, func(m *mark) bool {
		if want = max(want, m.Number); want == m.Number && !m.Dropped {
			return false
		}
		*m = mark{Number: want}
		return true
	})
	if err != nil {
		return err
	}
	c.reserved = want
	return nil
}

// note makes the mark of a collection that has none.
func (s *Store) note(ctx context.Context, collection string) error {
	return s.changeMark(ctx, collection, func(m *mark) bool {
		unmarked := *m == mark{} || m.Dropped
		m.Dropped = false
		return unmarked
	})
}

// changeMark changes the mark of a collection, and waits while its bucket has no leader.
func (s *Store) changeMark(ctx context.Context, collection string, change func(*mark) bool) error {
	err := retry.Do(ctx, untilLeader(ctx, noResponders), func(ctx context.Context) error {
		kv, err := streams.OpenCheckpoints(ctx, s.js, s.replicas)
		if err != nil {
			return err
		}
		return jsapi.ChangeJSON(ctx, kv, markKey(collection), change)
	})
	if err != nil {
		return fmt.Errorf("write the collection's mark: %w", err)
	}
	return nil
}

// marked returns the number up to which a collection may have given all.
func (s *Store) marked(ctx context.Context, collection string) (int64, error) {
	kv, err := s.js.KeyValue(ctx, streams.Checkpoints)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return 0, nil
	}
	var m mark
	if err == nil {
		m, _, err = jsapi.ReadJSON[mark](ctx, kv, markKey(collection))
	}
	if err != nil {
		return 0, fmt.Errorf("read the collection's mark: %w", err)
	}
	return m.Number, nil
}

// Drop deletes a collection with all that it holds, its history and the numbers that it gave too.
// One that does not exist is no error.
func (s *Store) Drop(ctx context.Context, collection string) error {
	if err := checkCollection(collection); err != nil {
		return err
	}
	// The mark first, so that nobody makes it again or misses it.
	err := s.changeMark(ctx, collection, func(m *mark) bool { *m = mark{Dropped: true}; return true })
	if err == nil {
		err = s.js.DeleteStream(ctx, streamName(collection))
	}
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return s.failure("drop", collection, err)
	}
	s.mu.Lock()
	b := s.buckets[collection]
	delete(s.buckets, collection)
	delete(s.numbers, collection)
	s.mu.Unlock()
	if b != nil {
		b.close()
	}
	return nil
}

// Recover makes each collection again whose bucket was deleted while no process noticed
// it, and logs that what it held is gone. It marks those that an earlier release has made.
func (s *Store) Recover(ctx context.Context) error {
	kv, err := streams.OpenCheckpoints(ctx, s.js, s.replicas)
	if err != nil {
		return fmt.Errorf("look for collections that are gone: %w", err)
	}
	there := map[string]bool{}
	names := s.js.StreamNames(ctx, jetstream.WithStreamListSubject("$KV.>"))
	for name := range names.Name() {
		if collection, ok := strings.CutPrefix(name, streamName("")); ok {
			there[collection] = true
		}
	}
	keys, err := kv.ListKeys(ctx)
	if err = errors.Join(names.Err(), err); err != nil {
		return fmt.Errorf("look for collections that are gone: %w", err)
	}
	var errs []error
	for key := range keys.Keys() {
		collection, ok := strings.CutPrefix(key, markKey(""))
		if !ok {
			continue // of a durable
		}
		if there[collection] {
			delete(there, collection)
			continue
		}
		if dropped, err := streams.IsDropped(ctx, s.js, key); err != nil || dropped {
			errs = append(errs, err)
			continue
		}
		if _, err := s.open(ctx, collection, true); err != nil {
			errs = append(errs, err)
			continue
		}
		last, err := s.marked(ctx, collection)
		errs = append(errs, err)
		s.logGone(collection, last)
	}
	for collection := range there {
		errs = append(errs, s.note(ctx, collection))
	}
	return errors.Join(errs...)
}
