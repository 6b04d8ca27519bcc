package kvstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Defaults of the options.
const (
	// DefaultHistory keeps a record's last ten revisions: enough to see who did
	// what to it and to answer a write that is sent again, at a price that stays
	// bounded for records that are written all the time.
	DefaultHistory = 10
	// DefaultDuplicateWindow is how long a write's Nats-Msg-Id is remembered: longer
	// than an event can be redelivered.
	DefaultDuplicateWindow = 20 * time.Minute
	// DefaultMemoryLimit is how much memory one collection's view may take.
	DefaultMemoryLimit = 512 << 20
	// DefaultConcurrency is how many requests one Service handles at a time.
	DefaultConcurrency = 64
)

// BucketPrefix and a collection's name make the name of its KV bucket.
const BucketPrefix = "db_"

const headerOperation = "KV-Operation" // DEL or PURGE on a delete marker

type settings struct {
	replicas    int // 0: one
	history     int
	window      time.Duration
	memoryLimit int64
	concurrency int
	log         *slog.Logger
	tracer      *streams.Tracer
	observe     func(op string, d time.Duration, err error)
}

// An Option changes how a Store or Service works.
type Option func(*settings)

// WithReplicas keeps every bucket on n servers of a cluster. Existing buckets on
// fewer are spread when they are opened; none is ever taken off a server, because
// a tool that knows no better must not undo what somebody arranged. Default 1.
func WithReplicas(n int) Option { return func(s *settings) { s.replicas = n } }

// WithHistory keeps the last n revisions of every record, 1 to 64, in buckets
// made from now on. Default DefaultHistory.
func WithHistory(n int) Option { return func(s *settings) { s.history = n } }

// WithDuplicateWindow sets how long a write's Nats-Msg-Id is remembered; existing
// buckets that remember for less are changed when they are opened. Default
// DefaultDuplicateWindow.
func WithDuplicateWindow(d time.Duration) Option { return func(s *settings) { s.window = d } }

// WithMemoryLimit bounds the memory of each collection's view, in bytes. A
// collection that needs more is scanned from disk for each query: slower, and
// just as right. Default DefaultMemoryLimit.
func WithMemoryLimit(bytes int64) Option { return func(s *settings) { s.memoryLimit = bytes } }

// WithConcurrency sets how many requests a Service handles at a time. Default
// DefaultConcurrency.
func WithConcurrency(n int) Option { return func(s *settings) { s.concurrency = n } }

// WithLogger sets where warnings go. Default slog.Default().
func WithLogger(log *slog.Logger) Option { return func(s *settings) { s.log = log } }

// WithTracer has every request handled under a span. Default none.
func WithTracer(t *streams.Tracer) Option { return func(s *settings) { s.tracer = t } }

// WithObserver has f called after each request that a Service handled, with the
// operation's name ("get", "set", …), the time it took and its error.
func WithObserver(f func(op string, d time.Duration, err error)) Option {
	return func(s *settings) { s.observe = f }
}

func newSettings(opts []Option) (settings, error) {
	s := settings{
		history:     DefaultHistory,
		window:      DefaultDuplicateWindow,
		memoryLimit: DefaultMemoryLimit,
		concurrency: DefaultConcurrency,
		log:         slog.Default(),
		tracer:      streams.NewTracer(noop.Tracer{}, nil),
		observe:     func(string, time.Duration, error) {},
	}
	for _, o := range opts {
		o(&s)
	}
	switch {
	case s.replicas < 0 || s.replicas > 5:
		return s, fmt.Errorf("kvstore: replicas must be 1 to 5, not %d", s.replicas)
	case s.history < 1 || s.history > jetstream.KeyValueMaxHistory:
		return s, fmt.Errorf("kvstore: history must be 1 to %d, not %d", jetstream.KeyValueMaxHistory, s.history)
	case s.concurrency < 1:
		return s, fmt.Errorf("kvstore: concurrency must be 1 or more, not %d", s.concurrency)
	case s.window < time.Second:
		return s, fmt.Errorf("kvstore: the duplicate window must be 1 s or more, not %v", s.window)
	}
	return s, nil
}

// A Store reads and writes collections. It is what the database service, and
// any tool that works on a store without one, is made of. All methods may be
// called concurrently; their errors are contract errors (see event.CodeOf).
type Store struct {
	js         jetstream.JetStream
	operations map[string]handler
	settings

	mu      sync.Mutex
	buckets map[string]*bucket
	closed  bool
}

// NewStore makes a Store. Close it to end the watching of collections that were
// queried.
func NewStore(js jetstream.JetStream, opts ...Option) (*Store, error) {
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	return &Store{js: js, operations: operations(), settings: s, buckets: map[string]*bucket{}}, nil
}

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
	queries queries
}

func (b *bucket) subject(id event.ID) string { return b.prefix + encodeKey(id) }

func (b *bucket) close() { b.queries.close() }

// patience is how long a bucket that is there may be without anyone who answers for
// it, before that is a failure: less than requesters wait, so that they still learn
// that nothing was written, and longer than an election takes where nobody waits
// for an answer.
func patience(ctx context.Context) time.Duration {
	if end, limited := ctx.Deadline(); limited && time.Until(end) <= requestTimeout {
		return streams.DefaultTimeout - time.Second
	}
	return requestTimeout
}

// with calls f with a collection's bucket: once more where that turns out to have
// been deleted behind the store's back, with another, and as often as it takes
// where nobody answers for it for a moment, as while a cluster chooses a leader.
// So f must end with its first write, unless what it writes before may be written
// again: a write that nobody was there to answer was not made.
func (s *Store) with(ctx context.Context, op, collection string, create bool, f func(*bucket) error) error {
	giveUp := time.Now().Add(patience(ctx))
	for opened := 1; ; {
		b, err := s.open(ctx, collection, create)
		if err != nil {
			return err
		}
		err = f(b)
		if err == nil {
			return nil
		}
		lost := gone(err)
		if !lost && unheard(err) {
			var doubt error
			if lost, doubt = b.lost(ctx); doubt != nil {
				return s.failure(ctx, op, collection, err)
			}
		}
		switch {
		case lost && opened == 1:
			opened++
			s.forget(b)
		case lost || !unheard(err) || time.Now().After(giveUp) || pause(ctx) != nil:
			return s.failure(ctx, op, collection, err)
		}
	}
}

// lost reports whether the bucket's stream does not exist any more. If it does, what
// is known of how it is set up, which may be why nobody answered, is brought up to
// date.
func (b *bucket) lost(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience(ctx))
	defer cancel()
	info, err := b.info(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return true, nil
	}
	return err == nil && !info.Created.Equal(b.created), err
}

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
		return nil, s.failure(ctx, "open", collection, err)
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
	b.queries.bucket = b
	s.buckets[collection] = b
	return b, nil
}

// forget drops an open bucket whose stream turned out to be gone.
func (s *Store) forget(b *bucket) {
	s.mu.Lock()
	if s.buckets[b.collection] == b {
		delete(s.buckets, b.collection)
	}
	s.mu.Unlock()
	b.close()
}

func streamName(collection string) string { return "KV_" + BucketPrefix + collection }

func (s *Store) stream(ctx context.Context, collection string, create bool) (jetstream.Stream, error) {
	stream, err := insist(ctx, func(ctx context.Context) (jetstream.Stream, error) { return s.js.Stream(ctx, streamName(collection)) })
	if errors.Is(err, jetstream.ErrStreamNotFound) && create {
		stream, err = insist(ctx, func(ctx context.Context) (jetstream.Stream, error) {
			return s.js.CreateStream(ctx, s.config(collection))
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			// Another instance was faster, by so little that it may not show yet.
			if err := pause(ctx); err != nil {
				return nil, err
			}
			return s.stream(ctx, collection, create)
		}
	}
	if err != nil {
		return nil, err
	}
	config := stream.CachedInfo().Config
	changed := config
	changed.Duplicates = max(config.Duplicates, s.window)
	changed.Replicas = max(config.Replicas, s.replicas)
	changed.AllowDirect = changed.Replicas <= 1
	if changed.Duplicates != config.Duplicates || changed.Replicas != config.Replicas || changed.AllowDirect != config.AllowDirect {
		stream, err = insist(ctx, func(ctx context.Context) (jetstream.Stream, error) { return s.js.UpdateStream(ctx, changed) })
	}
	if err == nil && changed.Replicas > 1 {
		err = led(ctx, stream)
	}
	return stream, err
}

// led waits until a replicated stream has a leader and servers that follow it: a
// write to one that has not yet may be lost without an answer.
func led(ctx context.Context, stream jetstream.Stream) error {
	for {
		info, err := insist(ctx, func(ctx context.Context) (*jetstream.StreamInfo, error) { return stream.Info(ctx) })
		if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) { // it may not have spread yet
			return err
		}
		if info == nil {
			info = &jetstream.StreamInfo{}
		}
		if c := info.Cluster; c != nil && c.Leader != "" && slices.ContainsFunc(c.Replicas, func(p *jetstream.PeerInfo) bool { return p.Current && !p.Offline }) {
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// pause waits a moment for a cluster to settle.
func pause(ctx context.Context) error {
	select {
	case <-time.After(20 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// config is a KV bucket's as nats.go makes it but for its duplicate window,
// which that cannot set, and for direct reads: they are answered by any replica,
// the one included that has not heard of the last write.
func (s *Store) config(collection string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              streamName(collection),
		Description:       "Rosey database collection " + collection,
		Subjects:          []string{"$KV." + BucketPrefix + collection + ".>"},
		MaxMsgsPerSubject: int64(s.history),
		Storage:           jetstream.FileStorage,
		Replicas:          max(s.replicas, 1),
		Duplicates:        s.window,
		Discard:           jetstream.DiscardNew,
		MaxConsumers:      -1,
		AllowRollup:       true,
		DenyDelete:        true,
		AllowDirect:       s.replicas <= 1,
	}
}

// failure is err as a contract error.
func (s *Store) failure(ctx context.Context, op, collection string, err error) error {
	var contractErr *event.Error
	if errors.As(err, &contractErr) {
		return err
	}
	code := event.DatabaseError
	switch err = streams.WrapFull(err); {
	case errors.Is(err, streams.ErrFull):
		return event.Errorf(code, "%s %s: %w", op, collection, err).With("collection", collection).With("reason", streams.ReasonFull)
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, nats.ErrTimeout):
		code = event.Timeout
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		err = fmt.Errorf("%w: start the server with JetStream", err)
	case streams.Unanswered(err) || errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrConnectionDraining):
		code = event.NATSError
	case errors.Is(err, nats.ErrMaxPayload):
		return event.Errorf(event.InvalidInput, "%s %s: the record is larger than the server's max_payload: %w", op, collection, err).
			With("collection", collection)
	}
	return event.Errorf(code, "%s %s: %w", op, collection, err).With("collection", collection)
}

// gone reports whether err says that the bucket's stream does not exist (any
// more), or that the store has forgotten the bucket.
func gone(err error) bool {
	return errors.Is(err, errForgotten) || errors.Is(err, jetstream.ErrStreamNotFound)
}

// unheard reports whether nobody was there for a request to the bucket's stream:
// that does not exist any more, or has no leader for the moment.
func unheard(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrJetStreamNotEnabled)
}
