package kvstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
)

// errLost is returned by a follower that may have missed an entry.
var errLost = errors.New("the connection to the bucket was lost")

// A follower applies the last entry of each of a bucket's records, and what is
// written from then on.
type follower struct {
	bucket     *bucket
	apply      func(e entry) error // under mu
	consumer   jetstream.Consumer
	consuming  jetstream.ConsumeContext
	delivered  uint64 // of the consumer's sequences; receive's own
	reconnects uint64 // of the connection when the follower was made

	mu      sync.Mutex
	applied uint64        // every entry up to this sequence is applied
	err     error         // why nothing more is applied
	changed chan struct{} // closed and replaced when applied grows, if anyone waits
	waiting bool
}

// follow starts a follower, which must be stopped. It calls apply with one entry at a
// time, delete markers included, and without their data where keysOnly is set; an
// error of apply ends it.
func (b *bucket) follow(ctx context.Context, keysOnly bool, apply func(e entry) error) (*follower, error) {
	f := &follower{bucket: b, apply: apply, changed: make(chan struct{}), reconnects: b.store.js.Conn().Stats().Reconnects}
	var err error
	f.consumer, err = b.store.js.CreateConsumer(ctx, streamName(b.collection), jetstream.ConsumerConfig{
		AckPolicy:         jetstream.AckNonePolicy,
		DeliverPolicy:     jetstream.DeliverLastPerSubjectPolicy,
		FilterSubject:     b.prefix + ">",
		HeadersOnly:       keysOnly,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: time.Minute,
	})
	if err != nil {
		return nil, fmt.Errorf("follow the bucket: %w", err)
	}
	f.consuming, err = f.consumer.Consume(f.receive, jetstream.PullMaxMessages(4096),
		// What follows may be another stream of the same name, or begin after a gap: an
		// ordered consumer would go on there. Reading everything again is sure to be right.
		jetstream.ConsumeErrHandler(func(jetstream.ConsumeContext, error) { f.fail(errLost) }))
	if err != nil {
		return nil, fmt.Errorf("follow the bucket: %w", err)
	}
	return f, nil
}

// stop ends the follower, also for those who wait for it to catch up: they get err.
func (f *follower) stop(err error) {
	f.consuming.Stop()
	f.fail(err)
}

// discard deletes the follower's consumer, which the server would only do later.
func (f *follower) discard(ctx context.Context) {
	if err := streams.DeleteConsumer(ctx, f.bucket.store.js, f.consumer); err != nil {
		f.bucket.store.log.Debug("deleting a consumer failed, the server will delete it", "collection", f.bucket.collection, "error", err)
	}
}

func (f *follower) receive(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil || meta.Sequence.Consumer != f.delivered+1 {
		f.fail(errLost)
		return
	}
	f.delivered++
	id, isRecord := f.bucket.idOf(msg.Subject())
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || meta.Sequence.Stream <= f.applied {
		return
	}
	if isRecord {
		f.err = f.apply(entry{id, meta.Sequence.Stream, meta.Timestamp, nats.Header(msg.Headers()), msg.Data()})
	}
	f.applied = meta.Sequence.Stream
	f.wake()
}

func (f *follower) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	f.wake()
}

func (f *follower) wake() {
	if f.waiting {
		close(f.changed)
		f.changed, f.waiting = make(chan struct{}), false
	}
}

// catchUp waits until every entry is applied that was stored before the call.
func (f *follower) catchUp(ctx context.Context) error {
	var before uint64
	for idle := 0; ; idle++ {
		f.mu.Lock()
		applied, err := f.applied, f.err
		f.mu.Unlock()
		if applied != before {
			before, idle = applied, 0
		}
		// A server (2.15 too) stops to deliver when it comes to a last entry that a
		// compaction purged, until something else is written.
		if idle == maxIdle {
			err = errLost
		}
		if err != nil {
			return err
		}
		// Asking the leader for the next entry rather than for the last sequence is
		// cheap, and right too when the last entries have been compacted away.
		e, err := f.bucket.next(ctx, ">", applied+1)
		if err != nil || e.revision == 0 {
			return err
		}
		if f.bucket.store.js.Conn().Stats().Reconnects != f.reconnects {
			return errLost // the entry may have been delivered to the old connection
		}
		info, err := f.bucket.info(ctx)
		if err != nil {
			return err
		}
		if reached, err := f.wait(ctx, info.State.LastSeq); reached || err != nil {
			return err
		}
	}
}

// recheck is how long a follower waits for an entry before it asks whether that still
// exists.
const recheck = 50 * time.Millisecond

// maxIdle is how often a follower finds that an entry exists and none comes before it
// gives up.
const maxIdle = 20

// wait waits until the entry seq is applied, for recheck at the most.
func (f *follower) wait(ctx context.Context, seq uint64) (reached bool, err error) {
	timeout := time.NewTimer(recheck)
	defer timeout.Stop()
	for {
		f.mu.Lock()
		reached, err, changed := f.applied >= seq, f.err, f.changed
		f.waiting = f.waiting || !reached
		f.mu.Unlock()
		if reached || err != nil {
			return reached, err
		}
		select {
		case <-changed:
		case <-timeout.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// lastEntries calls f with the last entry of every record, delete markers included
// and without data, and with newer ones that come meanwhile, until there are no more.
// It calls restart before the first, and again where it has to begin again.
func (b *bucket) lastEntries(ctx context.Context, restart func(), f func(e entry)) error {
	var err error
	for range 3 {
		restart()
		if err = b.lastEntriesOnce(ctx, f); !errors.Is(err, errLost) {
			return err
		}
	}
	return err
}

func (b *bucket) lastEntriesOnce(ctx context.Context, f func(e entry)) error {
	reader, err := b.follow(ctx, true, func(e entry) error { f(e); return nil })
	if err != nil {
		return err
	}
	defer func() {
		reader.stop(errLost)
		reader.discard(ctx)
	}()
	return reader.catchUp(ctx)
}
