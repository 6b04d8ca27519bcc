package kvstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	errTooLarge = errors.New("the collection is larger than the memory limit")
	errLost     = errors.New("the view lost touch with its bucket")

	errForgotten = errors.New("the collection was opened anew meanwhile")
)

// queries keeps a bucket's view: made by the first query and fed by a consumer
// from then on.
type queries struct {
	bucket *bucket

	mu     sync.Mutex
	view   *view
	stop   func()
	large  uint64 // keys that the bucket had when it was too large for memory; 0: it was not
	closed bool   // a view made from now on would never be stopped
}

// close ends the view, also for those who wait for it to catch up.
func (q *queries) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.view != nil {
		q.stop()
		q.view.fail(errLost)
	}
	q.view, q.stop = nil, nil
}

// recheck is how long fresh waits before it doubts that what it waits for still
// exists.
const recheck = 50 * time.Millisecond

// fresh returns the view once every entry is in it that was stored before the
// call. It returns errTooLarge where there is no view, and errForgotten where
// there will be none.
func (q *queries) fresh(ctx context.Context) (*view, error) {
	for range 3 {
		v, err := q.get(ctx)
		if err != nil {
			return nil, err
		}
		if err = v.catchUp(ctx, q.bucket); err == nil {
			return v, nil
		}
		if !errors.Is(err, errLost) && !errors.Is(err, errTooLarge) {
			return nil, err
		}
		if q.drop(v); errors.Is(err, errTooLarge) {
			info, err := q.bucket.info(ctx)
			if err != nil {
				return nil, err
			}
			q.mu.Lock()
			q.large = max(info.State.NumSubjects, 1)
			q.mu.Unlock()
			return nil, errTooLarge
		}
	}
	return nil, errLost
}

func (q *queries) get(ctx context.Context) (*view, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, errForgotten
	}
	if q.view != nil {
		return q.view, nil
	}
	if q.large > 0 {
		info, err := q.bucket.info(ctx)
		if err != nil {
			return nil, err
		}
		if info.State.NumSubjects > q.large-q.large/5 {
			return nil, errTooLarge
		}
		q.large = 0
	}
	v := newView(q.bucket.store.memoryLimit)
	stop, err := v.follow(ctx, q.bucket)
	if err != nil {
		return nil, err
	}
	q.view, q.stop = v, stop
	return v, nil
}

// current is the view, if there is one.
func (q *queries) current() *view {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.view
}

func (q *queries) drop(v *view) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.view == v {
		q.stop()
		q.view, q.stop = nil, nil
	}
}

// follow feeds the view until stop is called.
func (v *view) follow(ctx context.Context, b *bucket) (stop func(), err error) {
	v.announced = b.announce(ctx)
	defer func() {
		if err != nil {
			v.announced.stop()
		}
	}()
	consumer, err := b.store.js.OrderedConsumer(ctx, streamName(b.collection), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	})
	if err != nil {
		return nil, fmt.Errorf("follow the bucket: %w", err)
	}
	consuming, err := consumer.Consume(func(msg jetstream.Msg) { v.receive(b, msg) },
		jetstream.PullMaxMessages(4096),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			// What follows may be another stream of the same name, or begin behind a
			// gap. Reading everything again is cheap, and sure to be right.
			v.fail(errLost)
		}))
	if err != nil {
		return nil, fmt.Errorf("follow the bucket: %w", err)
	}
	return func() {
		consuming.Stop()
		v.announced.stop()
	}, nil
}

func (v *view) receive(b *bucket, msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		v.fail(errLost)
		return
	}
	id, isRecord := b.idOf(msg.Subject())
	var r *row
	if isRecord && !isMarker(nats.Header(msg.Headers())) {
		if r, err = newRow(id, meta.Sequence.Stream, msg.Data()); err != nil {
			b.skipped(id, err)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil || meta.Sequence.Stream <= v.applied {
		return
	}
	if isRecord {
		v.apply(id, r)
	}
	v.applied = meta.Sequence.Stream
	if v.bytes > v.limit && !v.shrink() {
		v.err = errTooLarge
	}
	v.wake()
}

// shrink drops indexes until the view is within its limit; it reports whether
// that was enough.
func (v *view) shrink() bool {
	for v.bytes > v.limit && len(v.indexes) > 0 {
		v.drop(v.oldest())
	}
	return v.bytes <= v.limit
}

func (v *view) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err == nil {
		v.err = err
	}
	v.wake()
}

func (v *view) wake() {
	if v.waiting {
		close(v.changed)
		v.changed, v.waiting = make(chan struct{}), false
	}
}

// catchUp waits until every entry is in the view that was stored before the
// call.
func (v *view) catchUp(ctx context.Context, b *bucket) error {
	if seq, ok := v.announced.latest(ctx); ok {
		if reached, err := v.wait(ctx, seq); reached || err != nil {
			return err
		}
	}
	settled := v.announced.settle()
	for {
		v.mu.RLock()
		applied, err := v.applied, v.err
		v.mu.RUnlock()
		if err != nil {
			return err
		}
		// Asking for the next entry rather than for the last sequence is cheap, and
		// right too when the last entries have been compacted away.
		e, err := b.next(ctx, ">", applied+1)
		if err != nil {
			return err
		}
		if e.revision == 0 {
			settled()
			return nil
		}
		info, err := b.info(ctx)
		if err != nil {
			return err
		}
		reached, err := v.wait(ctx, info.State.LastSeq)
		if err != nil {
			return err
		}
		if reached {
			settled()
			return nil
		}
	}
}

// wait waits until the entry seq is in the view, or for recheck.
func (v *view) wait(ctx context.Context, seq uint64) (reached bool, err error) {
	v.mu.RLock()
	reached, err = v.applied >= seq, v.err
	v.mu.RUnlock()
	if reached || err != nil {
		return reached && err == nil, err
	}
	doubt := time.NewTimer(recheck)
	defer doubt.Stop()
	for {
		v.mu.Lock()
		reached, err, changed := v.applied >= seq, v.err, v.changed
		v.waiting = v.waiting || !reached
		v.mu.Unlock()
		if reached || err != nil {
			return reached, err
		}
		select {
		case <-changed:
		case <-doubt.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
