package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

const (
	scanAttempts  = 5  // how often a scan starts again because records were rewritten under it
	scanCreations = 50 // how often it tries to start between two writes
	scanPatience  = 200 * time.Millisecond // how long it waits before it doubts that there is more
)

var errMoved = errors.New("records were rewritten before they could be read")

// scan calls f with the last entry of every record, delete markers included, in
// the order in which they were written and without holding them in memory. It
// is a snapshot. Entries have no data where keysOnly is set. Before the first
// entry, and again where it has to start again, it calls begin with the number
// of entries to come, counting the counter.
func (b *bucket) scan(ctx context.Context, keysOnly bool, begin func(total int), f func(id event.ID, e entry) error) error {
	for range scanAttempts {
		err := b.scanOnce(ctx, keysOnly, begin, f)
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return event.Errorf(event.DatabaseError, "collection %s is being rewritten faster than it can be read: try again", b.collection).
		With("collection", b.collection)
}

func (b *bucket) scanOnce(ctx context.Context, keysOnly bool, begin func(int), f func(event.ID, entry) error) error {
	consumer, last, err := b.snapshot(ctx, keysOnly)
	if err != nil {
		return err
	}
	defer b.discard(ctx, consumer)
	// Exactly these entries are the snapshot. One that is missing was pushed out
	// by newer revisions, which come behind all the others.
	total := int(consumer.CachedInfo().NumPending)
	counter, err := b.last(ctx, b.prefix+counterKey)
	if err != nil {
		return err
	}
	begin(total)
	if total == 0 {
		return nil
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(2048))
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	defer messages.Stop()
	needed := total
	if counter.revision > 0 {
		needed-- // inserts push it out all the time
	}
	var delivered uint64 // the consumer's last sequence that came
	idle := 0
	for records := 0; records < needed; {
		wait, cancel := context.WithTimeout(ctx, scanPatience)
		msg, err := messages.Next(jetstream.NextContext(wait))
		cancel()
		if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			info, err := consumer.Info(ctx)
			if err != nil {
				return fmt.Errorf("scan: %w", err)
			}
			// The server's own count of what is pending may be wrong after a purge.
			if idle++; info.Delivered.Consumer == delivered && (info.NumPending == 0 || idle > 2) {
				return errMoved
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		delivered, idle = meta.Sequence.Consumer, 0
		if meta.Sequence.Stream > last {
			return errMoved
		}
		if msg.Subject() == b.prefix+counterKey {
			continue
		}
		records++
		id, isRecord := b.idOf(msg.Subject())
		if !isRecord {
			continue
		}
		if err := f(id, entry{msg.Subject(), meta.Sequence.Stream, meta.Timestamp, msg.Headers(), msg.Data()}); err != nil {
			return err
		}
	}
	return nil
}

// snapshot makes a consumer of every subject's last entry, and says what the
// last sequence was when it was made. It is only sure of that when nothing was
// written meanwhile.
func (b *bucket) snapshot(ctx context.Context, keysOnly bool) (consumer jetstream.Consumer, last uint64, err error) {
	before, err := b.stream.Info(ctx)
	if err != nil {
		return nil, 0, err
	}
	for range scanCreations {
		consumer, err = b.store.js.CreateConsumer(ctx, streamName(b.collection), jetstream.ConsumerConfig{
			AckPolicy:         jetstream.AckNonePolicy,
			DeliverPolicy:     jetstream.DeliverLastPerSubjectPolicy,
			FilterSubject:     b.prefix + ">",
			HeadersOnly:       keysOnly,
			MemoryStorage:     true,
			Replicas:          1,
			InactiveThreshold: time.Minute,
		})
		if err != nil {
			return nil, 0, fmt.Errorf("scan: %w", err)
		}
		after, err := b.stream.Info(ctx)
		if err != nil {
			b.discard(ctx, consumer)
			return nil, 0, err
		}
		if before.State.LastSeq == after.State.LastSeq {
			return consumer, after.State.LastSeq, nil
		}
		b.discard(ctx, consumer)
		before = after
	}
	return nil, 0, errMoved
}

// discard deletes a scan's consumer. Should that fail, the server does it a
// minute later.
func (b *bucket) discard(ctx context.Context, consumer jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := b.store.js.DeleteConsumer(ctx, streamName(b.collection), consumer.CachedInfo().Name); err != nil {
		b.store.log.Debug("a scan's consumer is left to expire", "collection", b.collection, "error", err)
	}
}

// streamQuery answers a query from the bucket, record by record.
func (b *bucket) streamQuery(ctx context.Context, q query) (found, error) {
	var c collector
	var e Explain
	err := b.scan(ctx, false, func(int) {
		c = collector{q: q, plan: &plan{residual: q.filter, filtered: len(q.filter.subs) > 0}}
		e = Explain{Plan: "stream", Filtered: c.plan.filtered, Sorted: true}
	}, func(id event.ID, entry entry) error {
		if entry.deleted() {
			return nil
		}
		r, err := newRow(id, entry.revision, entry.data)
		if err != nil {
			b.skipped(id, err)
			return nil
		}
		e.Records++
		c.examined++
		c.test(r)
		return nil
	})
	e.Examined = c.examined
	return found{c.rows(), c.count, e}, err
}

func newRow(id event.ID, revision uint64, data []byte) (*row, error) {
	data, err := canonical(data, id)
	if err != nil {
		return nil, err
	}
	return &row{id, revision, string(data)}, nil
}

func (b *bucket) skipped(id event.ID, err error) {
	b.store.log.Warn("a database record was written by something else and is left out: set it again",
		"collection", b.collection, "id", string(id), "error", err)
}
