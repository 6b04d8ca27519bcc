package kvstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// A Store reads and writes collections. It is what the database service, and
// any tool that works on a store without one, is made of. All methods may be
// called concurrently; their errors are contract errors (see event.CodeOf).
type Store struct {
	js jetstream.JetStream
	settings
	memory memoryBudget

	mu      sync.Mutex
	buckets map[string]*bucket
	numbers map[string]int64 // the last that buckets which are gone had given, by collection
	closed  bool
}

// NewStore makes a Store. Close it to end the watching of collections that were
// queried.
func NewStore(js jetstream.JetStream, opts ...Option) (*Store, error) {
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	return &Store{js: js, settings: s, buckets: map[string]*bucket{}, numbers: map[string]int64{}, memory: memoryBudget{limit: s.memoryLimit}}, nil
}

// Logger returns the logger that the store's warnings go to.
func (s *Store) Logger() *slog.Logger { return s.log }

// Close ends the watching of collections and forgets them.
func (s *Store) Close() {
	s.mu.Lock()
	buckets := s.buckets
	s.buckets, s.closed = nil, true
	s.mu.Unlock()
	for _, b := range buckets {
		b.close()
	}
}

// A bucket is an open collection.
type bucket struct {
	store      *Store
	collection string
	stream     jetstream.Stream
	created    time.Time // the stream: another of the same name was created later
	prefix     string    // of its subjects

	counter counter
	views   viewCache
}

func (b *bucket) subject(id event.ID) string { return b.prefix + encodeKey(id) }

func (b *bucket) close() { b.views.close() }

var errNoBucket = errors.New("no such bucket")

// open returns a collection's bucket, made if it must exist. Where it need not,
// the error is errNoBucket.
func (s *Store) open(ctx context.Context, collection string, create bool) (*bucket, error) {
	if err := checkCollection(collection); err != nil {
		return nil, err
	}
	s.mu.Lock()
	b, ok := s.buckets[collection]
	closed := s.closed
	s.mu.Unlock()
	if ok {
		return b, nil
	}
	if closed {
		return nil, event.Errorf(event.DatabaseError, "collection %s: the store is closed", collection)
	}

	stream, err := s.stream(ctx, collection, create)
	if errors.Is(err, jetstream.ErrStreamNotFound) && !create {
		return nil, errNoBucket
	}
	if err != nil {
		return nil, s.failure("open", collection, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, event.Errorf(event.DatabaseError, "collection %s: the store is closed", collection)
	}
	if b, ok := s.buckets[collection]; ok {
		return b, nil
	}
	b = &bucket{store: s, collection: collection, stream: stream, created: stream.CachedInfo().Created, prefix: "$KV." + BucketPrefix + collection + "."}
	b.views.bucket = b
	b.counter.after = s.numbers[collection]
	s.buckets[collection] = b
	return b, nil
}

// forget drops an open bucket whose stream turned out to be gone. The numbers of a new
// one go on from those that this Store knows.
func (s *Store) forget(ctx context.Context, b *bucket) {
	last := b.counter.last()
	s.mu.Lock()
	isOpen := s.buckets[b.collection] == b
	if isOpen {
		delete(s.buckets, b.collection)
		s.numbers[b.collection] = max(s.numbers[b.collection], last)
	}
	s.mu.Unlock()
	b.close()
	if !isOpen {
		return
	}
	if dropped, err := streams.IsDropped(ctx, s.js, BucketPrefix+b.collection); err != nil || !dropped {
		s.logGone(b.collection, last)
	}
}

func (s *Store) logGone(collection string, last int64) {
	s.log.Error("collection deleted, contents lost; restore it from an export or a backup", "collection", collection, "bucket", BucketPrefix+collection, "last_number", last)
}
