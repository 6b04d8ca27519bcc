package kvstore

import (
	"context"
	"errors"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// A Change is one write to a collection that its history keeps.
type Change struct {
	ID event.ID
	Revision
}

// Changes calls f with every revision of every record that a collection keeps,
// in the order in which they were written, up to when it was called. Records
// that something else wrote and that cannot be read are passed over. Kept is how
// many revisions the collection keeps of one record: one that has as many may
// have had more. A collection that does not exist has no changes. Nothing is
// changed, which a Store might do to bring a bucket up to date.
func Changes(ctx context.Context, js jetstream.JetStream, collection string, f func(Change) error) (kept int, err error) {
	if err := checkCollection(collection); err != nil {
		return 0, err
	}
	stream, err := js.Stream(ctx, streamName(collection))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	s := &Store{js: js, settings: settings{log: slog.New(slog.DiscardHandler)}}
	if err == nil {
		b := &bucket{store: s, collection: collection, stream: stream, prefix: "$KV." + BucketPrefix + collection + "."}
		kept, err = int(stream.CachedInfo().Config.MaxMsgsPerSubject), b.changes(ctx, f)
	}
	if err != nil {
		return kept, s.failure(ctx, "read the changes of", collection, err)
	}
	return kept, nil
}

func (b *bucket) changes(ctx context.Context, f func(Change) error) error {
	for msg, err := range streams.Messages(ctx, b.store.js, streams.Selection{Stream: streamName(b.collection)}) {
		if err != nil {
			return err
		}
		e := b.entry(msg)
		if e.id == "" {
			continue
		}
		r, err := e.asRevision()
		if err != nil {
			continue
		}
		if err := f(Change{e.id, r}); err != nil {
			return err
		}
	}
	return nil
}

// Reserve makes n, and whatever is less, numbers that the collection does not
// give to new records. It creates the collection when that does not exist.
func (s *Store) Reserve(ctx context.Context, collection string, n int64) error {
	return s.with(ctx, "reserve numbers of", collection, true, func(b *bucket) error { return b.counter.raise(ctx, b, n) })
}
